/* The library's own threads: signals are left to the program's, and the program's functions have the usual stack. */
#define _GNU_SOURCE
#include "check.h"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

static size_t usual_stack;

/* Of the calling thread. */
static void look(int *passed) {
    pthread_attr_t attributes;
    size_t stack;
    sigset_t blocked;
    CHECK(pthread_getattr_np(pthread_self(), &attributes) == 0);
    CHECK(pthread_attr_getstacksize(&attributes, &stack) == 0 && pthread_attr_destroy(&attributes) == 0);
    CHECK(pthread_sigmask(SIG_SETMASK, NULL, &blocked) == 0);
    *passed = stack >= usual_stack && sigismember(&blocked, SIGUSR1) == 1;
}

static void look_and_free(void *data, void *passed) {
    (void)data;
    look(passed);
}

static void look_there(void *passed) {
    look(passed);
}

int main(void) {
    static char big[100000];
    char endpoint[64];
    size_t size = sizeof endpoint;
    pthread_attr_t attributes;
    sigset_t blocked, pending, usr1;
    zmq_msg_t message;
    int passed[2] = {0, 0};
    void *context = zmq_ctx_new();
    void *in = make(context, ZMQ_PULL), *out = make(context, ZMQ_PUSH);
    CHECK(pthread_attr_init(&attributes) == 0 && pthread_attr_getstacksize(&attributes, &usual_stack) == 0);
    CHECK(zmq_bind(in, "tcp://127.0.0.1:*") == 0);
    CHECK(zmq_getsockopt(in, ZMQ_LAST_ENDPOINT, endpoint, &size) == 0 && zmq_connect(out, endpoint) == 0);
    /* Freed by a thread of the library's, once the bytes are written. */
    CHECK(zmq_msg_init_data(&message, big, sizeof big, look_and_free, &passed[0]) == 0);
    CHECK(zmq_msg_send(&message, out, 0) == sizeof big);
    CHECK(zmq_msg_recv(&message, in, 0) == sizeof big && zmq_msg_close(&message) == 0);
    zmq_threadclose(zmq_threadstart(look_there, &passed[1]));
    /* This thread takes signals as before. One to the process that no thread of the program takes stays pending: none of the
       library's takes it, which would end the program here. */
    CHECK(pthread_sigmask(SIG_SETMASK, NULL, &blocked) == 0 && sigismember(&blocked, SIGUSR1) == 0);
    CHECK(sigemptyset(&usr1) == 0 && sigaddset(&usr1, SIGUSR1) == 0);
    CHECK(pthread_sigmask(SIG_BLOCK, &usr1, NULL) == 0 && kill(getpid(), SIGUSR1) == 0);
    CHECK(usleep(20000) == 0);
    CHECK(sigpending(&pending) == 0 && sigismember(&pending, SIGUSR1) == 1);
    CHECK(zmq_close(in) == 0 && zmq_close(out) == 0 && zmq_ctx_term(context) == 0);
    CHECK(passed[0] && passed[1]);
    return 0;
}
