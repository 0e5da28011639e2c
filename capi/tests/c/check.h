/* What all of the programs here use. */
#ifndef CHECK_H
#define CHECK_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

/* Ends the program if it does not hold. */
#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s:%d: %s; errno %d: %s\n", __FILE__, __LINE__, #condition, zmq_errno(),                  \
                    zmq_strerror(zmq_errno()));                                                                        \
            exit(1);                                                                                                   \
        }                                                                                                              \
    } while (0)

/* The call returns -1, and errno is that. */
#define FAILS(call, number)                                                                                            \
    do {                                                                                                               \
        errno = 0;                                                                                                     \
        CHECK((call) == -1 && zmq_errno() == (number));                                                                \
    } while (0)

static inline void *make(void *context, int type) {
    void *socket = zmq_socket(context, type);
    int timeout = 30000;
    CHECK(socket);
    /* A test that goes wrong ends. */
    CHECK(zmq_setsockopt(socket, ZMQ_RCVTIMEO, &timeout, sizeof timeout) == 0);
    CHECK(zmq_setsockopt(socket, ZMQ_SNDTIMEO, &timeout, sizeof timeout) == 0);
    return socket;
}

static inline void say(void *socket, const char *text, int flags) {
    CHECK(zmq_send(socket, text, strlen(text), flags) == (int)strlen(text));
}

static inline void hear(void *socket, const char *text) {
    char heard[256];
    int size = zmq_recv(socket, heard, sizeof heard, 0);
    CHECK(size == (int)strlen(text) && memcmp(heard, text, (size_t)size) == 0);
}

#endif
