/* Everything works in what atexit(3) was given: the first thread has lost what it kept by then. */
#include "check.h"

static void *context, *in, *out;

static void free_it(void *data, void *hint) {
    (void)data;
    ++*(int *)hint;
}

static void work(void) {
    static char big[100000];
    static int freed;
    zmq_pollitem_t item = {in, 0, ZMQ_POLLIN, 0};
    zmq_msg_t message;
    void *late;
    say(out, "hello", 0);
    CHECK(zmq_poll(&item, 1, 10000) == 1);
    hear(in, "hello");
    CHECK(zmq_msg_init_data(&message, big, sizeof big, free_it, &freed) == 0);
    CHECK(zmq_msg_send(&message, out, 0) == sizeof big);
    CHECK(zmq_msg_recv(&message, in, 0) == sizeof big);
    CHECK(zmq_msg_close(&message) == 0);
    CHECK(zmq_poll(&item, 1, 10) == 0);
    CHECK((late = zmq_socket(context, ZMQ_SUB)) != NULL);
    CHECK(zmq_connect(late, "inproc://late") == 0 && zmq_setsockopt(late, ZMQ_SUBSCRIBE, "", 0) == 0);
    CHECK(zmq_close(late) == 0 && zmq_close(in) == 0 && zmq_close(out) == 0);
    CHECK(zmq_ctx_term(context) == 0);
    CHECK(freed == 1);
}

int main(void) {
    char endpoint[64];
    size_t size = sizeof endpoint;
    zmq_pollitem_t item = {NULL, 0, ZMQ_POLLIN, 0};
    CHECK((context = zmq_ctx_new()) != NULL);
    in = make(context, ZMQ_PULL);
    out = make(context, ZMQ_PUSH);
    CHECK(zmq_bind(in, "tcp://127.0.0.1:*") == 0);
    CHECK(zmq_getsockopt(in, ZMQ_LAST_ENDPOINT, endpoint, &size) == 0 && zmq_connect(out, endpoint) == 0);
    CHECK(atexit(work) == 0);
    /* So that there is something to lose. */
    item.socket = in;
    CHECK(zmq_poll(&item, 1, 10) == 0);
    say(out, "first", 0);
    hear(in, "first");
    return 0;
}
