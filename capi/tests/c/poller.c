/* Pollers: libzmq's drafts. */
#define _POSIX_C_SOURCE 200809L
#define ZMQ_BUILD_DRAFT_API
#include "check.h"

#include <unistd.h>

int main(void) {
    void *context = zmq_ctx_new(), *poller = zmq_poller_new();
    void *out = make(context, ZMQ_PUSH), *in = make(context, ZMQ_PULL);
    int pipes[2], data_of_in, data_of_pipe;
    zmq_poller_event_t event, events[3];
    CHECK(poller && pipe(pipes) == 0);
    CHECK(zmq_bind(in, "inproc://poller") == 0);

    FAILS(zmq_poller_wait(poller, &event, -1), EFAULT);
    FAILS(zmq_poller_wait(poller, &event, 1), EAGAIN);
    CHECK(zmq_poller_add(poller, in, &data_of_in, ZMQ_POLLIN) == 0 && zmq_poller_size(poller) == 1);
    FAILS(zmq_poller_add(poller, in, NULL, ZMQ_POLLIN), EINVAL);
    FAILS(zmq_poller_add(poller, out, NULL, 0x40), EINVAL);
    FAILS(zmq_poller_add(poller, NULL, NULL, ZMQ_POLLIN), ENOTSOCK);
    FAILS(zmq_poller_modify(poller, out, ZMQ_POLLIN), EINVAL);
    FAILS(zmq_poller_remove(poller, out), EINVAL);
    FAILS(zmq_poller_add_fd(poller, -1, NULL, ZMQ_POLLIN), EBADF);
    FAILS(zmq_poller_remove_fd(poller, pipes[0]), EINVAL);
    FAILS(zmq_poller_fd(poller, pipes), EINVAL);
    FAILS(zmq_poller_wait(poller, NULL, 0), EFAULT);
    FAILS(zmq_poller_wait_all(poller, events, -1, 0), EINVAL);
    FAILS(zmq_poller_wait(poller, &event, 5), EAGAIN);
    CHECK(!event.socket && event.fd == -1 && !event.user_data && event.events == 0);

    CHECK(zmq_connect(out, "inproc://poller") == 0);
    say(out, "message", 0);
    CHECK(zmq_poller_wait(poller, &event, 30000) == 0);
    CHECK(event.socket == in && event.user_data == &data_of_in && event.events == ZMQ_POLLIN);
    CHECK(zmq_poller_add_fd(poller, pipes[0], &data_of_pipe, ZMQ_POLLIN) == 0);
    CHECK(zmq_poller_wait_all(poller, events, 3, 30000) == 1 && events[0].socket == in);
    CHECK(write(pipes[1], "x", 1) == 1);
    CHECK(zmq_poller_wait_all(poller, events, 3, 30000) == 2);
    CHECK(!events[1].socket && events[1].fd == pipes[0] && events[1].user_data == &data_of_pipe);
    CHECK(zmq_poller_wait_all(poller, events, 1, 30000) == 1);
    hear(in, "message");
    CHECK(zmq_poller_modify_fd(poller, pipes[0], 0) == 0);
    FAILS(zmq_poller_wait(poller, &event, 5), EAGAIN);
    CHECK(zmq_poller_add(poller, out, NULL, ZMQ_POLLOUT) == 0 && zmq_poller_size(poller) == 3);
    CHECK(zmq_poller_wait(poller, &event, 30000) == 0 && event.socket == out && event.events == ZMQ_POLLOUT);
    CHECK(zmq_poller_modify(poller, out, 0) == 0 && zmq_poller_remove_fd(poller, pipes[0]) == 0);
    CHECK(zmq_poller_remove(poller, in) == 0 && zmq_poller_remove(poller, out) == 0 && zmq_poller_size(poller) == 0);

    CHECK(zmq_poller_destroy(&poller) == 0 && !poller);
    FAILS(zmq_poller_destroy(&poller), EFAULT);
    FAILS(zmq_poller_size(poller), EFAULT);
    CHECK(zmq_close(in) == 0 && zmq_close(out) == 0);
    CHECK(zmq_ctx_term(context) == 0);
    return 0;
}
