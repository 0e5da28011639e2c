/* Proxies: with and without somebody who steers, one way, and their end. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"

#include <pthread.h>
#include <signal.h>

struct proxy {
    void *frontend, *backend, *capture, *control;
    int result, error;
};

static void run(void *argument) {
    struct proxy *proxy = argument;
    proxy->result = proxy->control
                        ? zmq_proxy_steerable(proxy->frontend, proxy->backend, proxy->capture, proxy->control)
                        : zmq_proxy(proxy->frontend, proxy->backend, proxy->capture);
    proxy->error = zmq_errno();
}

static void *bound(void *context, int type, const char *endpoint) {
    void *socket = make(context, type);
    CHECK(zmq_bind(socket, endpoint) == 0);
    return socket;
}

static void *connected(void *context, int type, const char *endpoint) {
    void *socket = make(context, type);
    CHECK(zmq_connect(socket, endpoint) == 0);
    return socket;
}

static int is_there(void *socket, long timeout) {
    zmq_pollitem_t item = {socket, 0, ZMQ_POLLIN, 0};
    return zmq_poll(&item, 1, timeout);
}

static void ask_for_statistics(void *controller, uint64_t *numbers) {
    say(controller, "STATISTICS", 0);
    for (int i = 0; i < 8; ++i) {
        int more;
        size_t size = sizeof more;
        CHECK(zmq_recv(controller, &numbers[i], 8, 0) == 8);
        CHECK(zmq_getsockopt(controller, ZMQ_RCVMORE, &more, &size) == 0 && more == (i < 7));
    }
}

static void steered(int control_type, int controller_type) {
    void *context = zmq_ctx_new();
    struct proxy proxy = {bound(context, ZMQ_ROUTER, "inproc://front"), bound(context, ZMQ_DEALER, "inproc://back"),
                          bound(context, ZMQ_PUSH, "inproc://capture"), bound(context, control_type, "inproc://control"),
                          -2, 0};
    void *client = connected(context, ZMQ_REQ, "inproc://front"), *server = connected(context, ZMQ_REP, "inproc://back");
    void *captured = connected(context, ZMQ_PULL, "inproc://capture");
    void *controller = connected(context, controller_type, "inproc://control");
    int answers = control_type == ZMQ_REP;
    void *thread = zmq_threadstart(run, &proxy);

    say(client, "question", 0);
    hear(server, "question");
    say(server, "answer", 0);
    hear(client, "answer");
    /* Twice three frames: an id, none, and what was said. */
    for (int i = 0; i < 2; ++i) {
        char frame[256];
        CHECK(zmq_recv(captured, frame, sizeof frame, 0) > 0);
        hear(captured, "");
        hear(captured, i ? "answer" : "question");
    }

    uint64_t numbers[8];
    if (controller_type != ZMQ_PUSH) {
        say(controller, "PAUSE", 0);
        if (answers) {
            hear(controller, "");
        }
        /* Commands are obeyed one after the other: it is paused when this is answered. */
        ask_for_statistics(controller, numbers);
        CHECK(numbers[0] == 1 && numbers[6] == 1);
        say(client, "later", 0);
        CHECK(is_there(server, 50) == 0);
        say(controller, "RESUME", 0);
        if (answers) {
            hear(controller, "");
        }
        hear(server, "later");
        ask_for_statistics(controller, numbers);
        /* Messages in and out: two questions one way, an answer the other. */
        CHECK(numbers[0] == 2 && numbers[2] == 1 && numbers[4] == 1 && numbers[6] == 2);
        CHECK(numbers[1] == numbers[7] && numbers[3] == numbers[5] && numbers[1] > numbers[3]);
    }
    say(controller, "TERMINATE", 0);
    if (answers) {
        hear(controller, "");
    }
    zmq_threadclose(thread);
    CHECK(proxy.result == 0);
    void *sockets[] = {proxy.frontend, proxy.backend, proxy.capture, proxy.control, client, server, captured, controller};
    for (int i = 0; i < 8; ++i) {
        CHECK(zmq_close(sockets[i]) == 0);
    }
    CHECK(zmq_ctx_term(context) == 0);
}

/* Ends with its context, and its sockets can be closed. */
static void one_way(void) {
    void *context = zmq_ctx_new();
    struct proxy proxy = {bound(context, ZMQ_PULL, "inproc://front"), bound(context, ZMQ_PUSH, "inproc://back"), NULL,
                          NULL, -2, 0};
    void *out = connected(context, ZMQ_PUSH, "inproc://front"), *in = connected(context, ZMQ_PULL, "inproc://back");
    void *thread = zmq_threadstart(run, &proxy);
    say(out, "first", 0);
    say(out, "second", ZMQ_SNDMORE);
    say(out, "part", 0);
    hear(in, "first");
    hear(in, "second");
    hear(in, "part");
    CHECK(zmq_ctx_shutdown(context) == 0);
    zmq_threadclose(thread);
    CHECK(proxy.result == -1 && proxy.error == ETERM);
    CHECK(zmq_close(proxy.frontend) == 0 && zmq_close(proxy.backend) == 0);
    CHECK(zmq_close(out) == 0 && zmq_close(in) == 0);
    CHECK(zmq_ctx_term(context) == 0);
}

static pthread_t interrupted;
static void *over;

static void ignored(int signal) { (void)signal; }

static void interrupt(void *unused) {
    (void)unused;
    while (!zmq_atomic_counter_value(over)) {
        CHECK(pthread_kill(interrupted, SIGUSR1) == 0);
        zmq_poll(NULL, 0, 10);
    }
}

/* A signal ends it; it can be run again. */
static void by_signal(void) {
    void *context = zmq_ctx_new();
    void *frontend = bound(context, ZMQ_PULL, "inproc://front"), *backend = bound(context, ZMQ_PUSH, "inproc://back");
    void *out = connected(context, ZMQ_PUSH, "inproc://front"), *in = connected(context, ZMQ_PULL, "inproc://back");
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = ignored;
    CHECK(sigaction(SIGUSR1, &action, NULL) == 0);
    interrupted = pthread_self();
    over = zmq_atomic_counter_new();
    void *thread = zmq_threadstart(interrupt, NULL);
    for (int i = 0; i < 3; ++i) {
        say(out, "through", 0);
        FAILS(zmq_proxy(frontend, backend, NULL), EINTR);
    }
    zmq_atomic_counter_set(over, 1);
    zmq_threadclose(thread);
    zmq_atomic_counter_destroy(&over);
    for (int i = 0; i < 3; ++i) {
        hear(in, "through");
    }
    CHECK(zmq_close(frontend) == 0 && zmq_close(backend) == 0 && zmq_close(out) == 0 && zmq_close(in) == 0);
    CHECK(zmq_ctx_term(context) == 0);
}

static void wrong(void) {
    void *context = zmq_ctx_new();
    void *push = make(context, ZMQ_PUSH), *pull = make(context, ZMQ_PULL), *pub = make(context, ZMQ_PUB);
    FAILS(zmq_proxy(NULL, push, NULL), EFAULT);
    FAILS(zmq_proxy(push, NULL, NULL), EFAULT);
    FAILS(zmq_proxy(push, pub, NULL), ENOTSUP);
    FAILS(zmq_proxy(pull, push, make(context, ZMQ_SUB)), ENOTSUP);
    FAILS(zmq_device(ZMQ_QUEUE, pub, push), ENOTSUP);
    CHECK(zmq_ctx_shutdown(context) == 0);
    FAILS(zmq_proxy(pull, push, NULL), ETERM);
}

int main(void) {
    steered(ZMQ_PAIR, ZMQ_PAIR);
    steered(ZMQ_REP, ZMQ_REQ);
    steered(ZMQ_PULL, ZMQ_PUSH);
    one_way();
    by_signal();
    wrong();
    return 0;
}
