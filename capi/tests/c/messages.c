/* Messages by themselves and on their way: whose memory it is, and when it is given back. */
#define ZMQ_BUILD_DRAFT_API
#include "check.h"

static void *freed_by;
static int freed;

static void give_back(void *data, void *hint) {
    CHECK(hint == &freed);
    freed_by = data;
    ++freed;
    free(data);
}

static void by_themselves(void) {
    size_t sizes[] = {0, 1, 56, 57, 256, 257, 100000};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; ++i) {
        zmq_msg_t message, copy;
        memset(&message, 0xee, sizeof message);
        CHECK(zmq_msg_init_size(&message, sizes[i]) == 0);
        CHECK(zmq_msg_size(&message) == sizes[i] && zmq_msg_more(&message) == 0);
        memset(zmq_msg_data(&message), 7, sizes[i]);
        CHECK(zmq_msg_init(&copy) == 0 && zmq_msg_copy(&copy, &message) == 0);
        CHECK(zmq_msg_size(&copy) == sizes[i] && memcmp(zmq_msg_data(&copy), zmq_msg_data(&message), sizes[i]) == 0);
        CHECK(zmq_msg_move(&copy, &message) == 0 && zmq_msg_size(&message) == 0);
        CHECK(zmq_msg_close(&message) == 0 && zmq_msg_close(&copy) == 0);
        FAILS(zmq_msg_close(&copy), EFAULT);
    }
    zmq_msg_t message;
    FAILS(zmq_msg_init_size(&message, (size_t)-1), ENOMEM);
    FAILS(zmq_msg_init_size(&message, (size_t)-1 / 2), ENOMEM);
    CHECK(zmq_msg_init_buffer(&message, "text", 4) == 0 && memcmp(zmq_msg_data(&message), "text", 4) == 0);
    FAILS(zmq_msg_get(&message, 99), EINVAL);
    FAILS(zmq_msg_set(&message, ZMQ_MORE, 1), EINVAL);
    CHECK(!zmq_msg_gets(&message, "Peer-Address") && zmq_errno() == EINVAL);
    CHECK(zmq_msg_routing_id(&message) == 0 && strcmp(zmq_msg_group(&message), "") == 0);
    CHECK(zmq_msg_set_routing_id(&message, 5) == 0 && zmq_msg_routing_id(&message) == 5);
    CHECK(zmq_msg_set_group(&message, "group") == 0 && strcmp(zmq_msg_group(&message), "group") == 0);
    CHECK(zmq_msg_close(&message) == 0);
}

static void memory_of_ours(void *context) {
    void *out = make(context, ZMQ_PUSH), *in = make(context, ZMQ_PULL);
    CHECK(zmq_bind(in, "inproc://memory") == 0 && zmq_connect(out, "inproc://memory") == 0);
    for (int size = 3; size < 10000; size *= 30) {
        char *data = malloc((size_t)size);
        zmq_msg_t message, received;
        freed = 0;
        CHECK(zmq_msg_init_data(&message, data, (size_t)size, give_back, &freed) == 0);
        CHECK(zmq_msg_data(&message) == data);
        CHECK(zmq_msg_send(&message, out, 0) == size);
        CHECK(zmq_msg_size(&message) == 0 && freed == 0);
        CHECK(zmq_msg_init(&received) == 0 && zmq_msg_recv(&received, in, 0) == size);
        /* It has not been copied on the way. */
        CHECK(zmq_msg_data(&received) == data && freed == 0);
        CHECK(zmq_msg_close(&received) == 0 && zmq_msg_close(&message) == 0);
        CHECK(freed == 1 && freed_by == data);
    }
    /* One that cannot be sent stays the program's. */
    void *rep = make(context, ZMQ_REP);
    zmq_msg_t message;
    freed = 0;
    CHECK(zmq_msg_init_data(&message, malloc(3), 3, give_back, &freed) == 0);
    FAILS(zmq_msg_send(&message, rep, 0), EFSM);
    CHECK(zmq_msg_size(&message) == 3 && freed == 0);
    CHECK(zmq_msg_close(&message) == 0 && freed == 1);
    CHECK(zmq_close(rep) == 0 && zmq_close(out) == 0 && zmq_close(in) == 0);
}

/* Who sent a message that came over tcp. */
static void senders(void *context) {
    void *out = make(context, ZMQ_DEALER), *in = make(context, ZMQ_DEALER);
    char endpoint[64];
    size_t size = sizeof endpoint;
    CHECK(zmq_bind(in, "tcp://127.0.0.1:*") == 0);
    CHECK(zmq_getsockopt(in, ZMQ_LAST_ENDPOINT, endpoint, &size) == 0);
    CHECK(zmq_setsockopt(out, ZMQ_ROUTING_ID, "me", 2) == 0);
    CHECK(zmq_connect(out, endpoint) == 0);
    say(out, "a", ZMQ_SNDMORE);
    say(out, "b", 0);
    zmq_msg_t first, second;
    CHECK(zmq_msg_init(&first) == 0 && zmq_msg_init(&second) == 0);
    CHECK(zmq_msg_recv(&first, in, 0) == 1 && zmq_msg_more(&first) == 1 && zmq_msg_get(&first, ZMQ_MORE) == 1);
    CHECK(zmq_msg_recv(&second, in, 0) == 1 && zmq_msg_more(&second) == 0);
    CHECK(zmq_close(out) == 0 && zmq_close(in) == 0);
    /* The socket is gone; what is known is the messages'. */
    CHECK(strcmp(zmq_msg_gets(&first, "Peer-Address"), "127.0.0.1") == 0);
    CHECK(strcmp(zmq_msg_gets(&second, "Socket-Type"), "DEALER") == 0);
    CHECK(strcmp(zmq_msg_gets(&second, "Routing-Id"), "me") == 0);
    CHECK(strcmp(zmq_msg_gets(&second, "Identity"), "me") == 0);
    CHECK(!zmq_msg_gets(&second, "User-Id") && zmq_errno() == EINVAL);
    CHECK(zmq_msg_close(&first) == 0 && zmq_msg_close(&second) == 0);
}

int main(void) {
    void *context = zmq_ctx_new();
    CHECK(context);
    by_themselves();
    memory_of_ours(context);
    senders(context);
    CHECK(zmq_ctx_term(context) == 0);
    return 0;
}
