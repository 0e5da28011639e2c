/* zmq_poll of descriptors, as poll(2) has them. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"

#include <fcntl.h>
#include <unistd.h>

static zmq_pollitem_t item(int fd, int events) {
    zmq_pollitem_t made = {NULL, 0, 0, 0};
    made.fd = fd;
    made.events = (short)events;
    return made;
}

int main(int count, char **arguments) {
    int pipes[2];
    int file = open("/dev/null", O_RDONLY);
    int disk = count > 0 ? open(arguments[0], O_RDONLY) : -1;
    zmq_pollitem_t items[2];
    CHECK(pipe(pipes) == 0 && file >= 0 && disk >= 0);
    /* A negative number is left out. */
    items[0] = item(-1, ZMQ_POLLIN);
    items[1] = item(pipes[0], ZMQ_POLLIN);
    CHECK(zmq_poll(items, 1, 10) == 0 && items[0].revents == 0);
    CHECK(zmq_poll(items, 2, 10) == 0);
    /* A file of a disk is readable at once, and never urgent. */
    items[0] = item(disk, ZMQ_POLLPRI);
    CHECK(zmq_poll(items, 2, 10) == 0);
    items[0].events = ZMQ_POLLIN;
    CHECK(zmq_poll(items, 2, -1) == 1 && items[0].revents == ZMQ_POLLIN);
    /* One that is none is an error of its own; another is told of as well, twice if it is there twice. */
    CHECK(write(pipes[1], "x", 1) == 1 && close(file) == 0);
    items[0] = item(file, ZMQ_POLLIN);
    CHECK(zmq_poll(items, 2, -1) == 2 && items[0].revents == ZMQ_POLLERR && items[1].revents == ZMQ_POLLIN);
    items[0] = items[1];
    CHECK(zmq_poll(items, 2, -1) == 2);
    return 0;
}
