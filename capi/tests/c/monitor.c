/* Monitors: what they tell, in which order, and how they end. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

static char endpoint[64];

/* The next event at `monitor`, one of `event`; its endpoint is `from`, if that is not null. Returns its value. */
static int32_t expect(void *monitor, int event, const char *from) {
    char frame[6], told_from[256];
    uint16_t told;
    int32_t value;
    CHECK(zmq_recv(monitor, frame, sizeof frame, 0) == 6);
    memcpy(&told, frame, 2);
    memcpy(&value, frame + 2, 4);
    int size = zmq_recv(monitor, told_from, sizeof told_from, 0);
    if (!(told & event)) {
        fprintf(stderr, "told 0x%x, value %d, from %.*s, in place of 0x%x\n", told, (int)value, size, told_from,
                (unsigned)event);
    }
    CHECK(told & event);
    CHECK(!from || (size == (int)strlen(from) && memcmp(told_from, from, (size_t)size) == 0));
    return value;
}

static void *listen_to(void *context, void *socket, const char *where, int events) {
    CHECK(zmq_socket_monitor(socket, where, events) == 0);
    void *monitor = make(context, ZMQ_PAIR);
    CHECK(zmq_connect(monitor, where) == 0);
    return monitor;
}

static void of_a_connection(void) {
    void *context = zmq_ctx_new();
    void *server = make(context, ZMQ_REP), *client = make(context, ZMQ_REQ);
    void *of_server = listen_to(context, server, "inproc://server", ZMQ_EVENT_ALL);
    void *of_client = listen_to(context, client, "inproc://client", ZMQ_EVENT_ALL);
    CHECK(zmq_bind(server, "tcp://127.0.0.1:*") == 0);
    size_t size = sizeof endpoint;
    CHECK(zmq_getsockopt(server, ZMQ_LAST_ENDPOINT, endpoint, &size) == 0);
    expect(of_server, ZMQ_EVENT_LISTENING, endpoint);
    CHECK(zmq_connect(client, endpoint) == 0);
    CHECK(expect(of_client, ZMQ_EVENT_CONNECT_DELAYED, endpoint) == EINPROGRESS);
    expect(of_client, ZMQ_EVENT_CONNECTED, endpoint);
    CHECK(expect(of_client, ZMQ_EVENT_HANDSHAKE_SUCCEEDED, endpoint) == 0);
    expect(of_server, ZMQ_EVENT_ACCEPTED, endpoint);
    expect(of_server, ZMQ_EVENT_HANDSHAKE_SUCCEEDED, endpoint);
    say(client, "question", 0);
    hear(server, "question");
    CHECK(zmq_close(client) == 0);
    expect(of_client, ZMQ_EVENT_MONITOR_STOPPED, NULL);
    expect(of_server, ZMQ_EVENT_DISCONNECTED, endpoint);
    CHECK(zmq_close(server) == 0);
    expect(of_server, ZMQ_EVENT_CLOSED, endpoint);
    expect(of_server, ZMQ_EVENT_MONITOR_STOPPED, NULL);
    CHECK(zmq_close(of_client) == 0 && zmq_close(of_server) == 0);
    CHECK(zmq_ctx_term(context) == 0);
}

/* Nobody listens where it connects to: at the endpoint that was `server`'s. */
static void of_attempts(void) {
    void *context = zmq_ctx_new();
    void *client = make(context, ZMQ_DEALER);
    void *monitor = listen_to(context, client, "inproc://attempts", ZMQ_EVENT_ALL);
    int milliseconds = 10;
    CHECK(zmq_setsockopt(client, ZMQ_RECONNECT_IVL, &milliseconds, sizeof milliseconds) == 0);
    CHECK(zmq_connect(client, endpoint) == 0);
    for (int i = 0; i < 3; ++i) {
        CHECK(expect(monitor, ZMQ_EVENT_CONNECT_DELAYED, endpoint) == EINPROGRESS);
        expect(monitor, ZMQ_EVENT_CLOSED, endpoint);
        CHECK(expect(monitor, ZMQ_EVENT_CONNECT_RETRIED, endpoint) >= 0);
    }
    CHECK(zmq_close(client) == 0);
    CHECK(zmq_close(monitor) == 0);
    CHECK(zmq_ctx_term(context) == 0);
}

static struct sockaddr_in address_of(const char *where) {
    struct sockaddr_in address;
    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons((uint16_t)atoi(strrchr(where, ':') + 1));
    return address;
}

/* Peers that are no peers: one that says something else, one that says nothing and goes, one of the wrong type. */
static void of_handshakes_here(void) {
    void *context = zmq_ctx_new();
    void *server = make(context, ZMQ_REP), *wrong = make(context, ZMQ_PUSH);
    void *monitor = listen_to(context, server, "inproc://here", ZMQ_EVENT_ALL);
    char where[64];
    size_t size = sizeof where;
    CHECK(zmq_bind(server, "tcp://127.0.0.1:*") == 0);
    CHECK(zmq_getsockopt(server, ZMQ_LAST_ENDPOINT, where, &size) == 0);
    expect(monitor, ZMQ_EVENT_LISTENING, where);
    struct sockaddr_in address = address_of(where);

    int silent = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(connect(silent, (struct sockaddr *)&address, sizeof address) == 0 && close(silent) == 0);
    expect(monitor, ZMQ_EVENT_ACCEPTED, where);
    expect(monitor, ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL, where);
    expect(monitor, ZMQ_EVENT_DISCONNECTED, where);

    CHECK(zmq_connect(wrong, where) == 0);
    expect(monitor, ZMQ_EVENT_ACCEPTED, where);
    /* Whichever of the two finds it out first. */
    expect(monitor, ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL, where);
    expect(monitor, ZMQ_EVENT_DISCONNECTED, where);
    CHECK(zmq_close(wrong) == 0 && zmq_close(server) == 0 && zmq_close(monitor) == 0);
    CHECK(zmq_ctx_term(context) == 0);
}

/* The same from the connecting side: a listener that closes, then nobody, then one that is a peer. */
static void of_handshakes_there(void) {
    void *context = zmq_ctx_new();
    void *client = make(context, ZMQ_DEALER);
    void *monitor = listen_to(context, client, "inproc://there", ZMQ_EVENT_ALL);
    int milliseconds = 10, yes = 1;
    CHECK(zmq_setsockopt(client, ZMQ_RECONNECT_IVL, &milliseconds, sizeof milliseconds) == 0);
    struct sockaddr_in address = address_of("tcp:0");
    socklen_t length = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) == 0);
    CHECK(bind(listener, (struct sockaddr *)&address, sizeof address) == 0 && listen(listener, 1) == 0);
    CHECK(getsockname(listener, (struct sockaddr *)&address, &length) == 0);
    char where[64];
    snprintf(where, sizeof where, "tcp://127.0.0.1:%d", ntohs(address.sin_port));
    CHECK(zmq_connect(client, where) == 0);
    int accepted = accept(listener, NULL, NULL);
    CHECK(accepted >= 0 && close(listener) == 0 && close(accepted) == 0);
    expect(monitor, ZMQ_EVENT_CONNECT_DELAYED, where);
    expect(monitor, ZMQ_EVENT_CONNECTED, where);
    expect(monitor, ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL, where);
    expect(monitor, ZMQ_EVENT_DISCONNECTED, where);
    expect(monitor, ZMQ_EVENT_CONNECT_RETRIED, where);
    expect(monitor, ZMQ_EVENT_CONNECT_DELAYED, where);
    expect(monitor, ZMQ_EVENT_CLOSED, where);

    /* A peer comes, goes, and comes again. */
    for (int i = 0; i < 2; ++i) {
        void *server = make(context, ZMQ_DEALER);
        while (zmq_bind(server, where) != 0) {
            CHECK(zmq_errno() == EADDRINUSE);
            zmq_poll(NULL, 0, 10);
        }
        int event = 0;
        /* It may have failed any number of times before. */
        while (event != ZMQ_EVENT_CONNECTED) {
            char frame[6];
            uint16_t told;
            CHECK(zmq_recv(monitor, frame, sizeof frame, 0) == 6);
            memcpy(&told, frame, 2);
            hear(monitor, where);
            CHECK(told == ZMQ_EVENT_CONNECT_RETRIED ? event == 0 || event == ZMQ_EVENT_CLOSED
                  : told == ZMQ_EVENT_CONNECT_DELAYED ? event == ZMQ_EVENT_CONNECT_RETRIED
                                                      : event == ZMQ_EVENT_CONNECT_DELAYED);
            event = told;
        }
        expect(monitor, ZMQ_EVENT_HANDSHAKE_SUCCEEDED, where);
        say(client, "hello", 0);
        hear(server, "hello");
        CHECK(zmq_close(server) == 0);
        expect(monitor, ZMQ_EVENT_DISCONNECTED, where);
    }
    CHECK(zmq_close(client) == 0 && zmq_close(monitor) == 0);
    CHECK(zmq_ctx_term(context) == 0);
}

/* A type whose next connection is another peer's. */
static void of_subscribers(void) {
    void *context = zmq_ctx_new();
    void *publisher = make(context, ZMQ_PUB), *subscriber = make(context, ZMQ_SUB);
    void *monitor = listen_to(context, subscriber, "inproc://subscriber", ZMQ_EVENT_ALL);
    char where[64];
    size_t size = sizeof where;
    CHECK(zmq_bind(publisher, "tcp://127.0.0.1:*") == 0);
    CHECK(zmq_getsockopt(publisher, ZMQ_LAST_ENDPOINT, where, &size) == 0);
    /* Time enough to listen again. */
    int milliseconds = 2000;
    CHECK(zmq_setsockopt(subscriber, ZMQ_RECONNECT_IVL, &milliseconds, sizeof milliseconds) == 0);
    CHECK(zmq_connect(subscriber, where) == 0);
    for (int i = 0; i < 2; ++i) {
        expect(monitor, ZMQ_EVENT_CONNECT_DELAYED, where);
        expect(monitor, ZMQ_EVENT_CONNECTED, where);
        expect(monitor, ZMQ_EVENT_HANDSHAKE_SUCCEEDED, where);
        if (i == 0) {
            /* The connection ends, and somebody else listens. */
            CHECK(zmq_unbind(publisher, where) == 0 && zmq_close(publisher) == 0);
            publisher = make(context, ZMQ_PUB);
            while (zmq_bind(publisher, where) != 0) {
                CHECK(zmq_errno() == EADDRINUSE);
                zmq_poll(NULL, 0, 1);
            }
            expect(monitor, ZMQ_EVENT_DISCONNECTED, where);
            expect(monitor, ZMQ_EVENT_CONNECT_RETRIED, where);
        }
    }
    CHECK(zmq_close(publisher) == 0);
    expect(monitor, ZMQ_EVENT_DISCONNECTED, where);
    CHECK(zmq_close(subscriber) == 0 && zmq_close(monitor) == 0);
    CHECK(zmq_ctx_term(context) == 0);
}

/* Only what is asked for; it ends when asked to, and begins again at the same place. */
static void masked(void) {
    void *context = zmq_ctx_new();
    void *socket = make(context, ZMQ_PULL);
    for (int i = 0; i < 3; ++i) {
        char where[64];
        size_t size = sizeof where;
        void *monitor = listen_to(context, socket, "inproc://again", ZMQ_EVENT_LISTENING | ZMQ_EVENT_MONITOR_STOPPED);
        CHECK(zmq_bind(socket, "tcp://127.0.0.1:*") == 0);
        CHECK(zmq_getsockopt(socket, ZMQ_LAST_ENDPOINT, where, &size) == 0);
        expect(monitor, ZMQ_EVENT_LISTENING, where);
        CHECK(zmq_unbind(socket, where) == 0);
        CHECK(zmq_socket_monitor(socket, NULL, 0) == 0);
        expect(monitor, ZMQ_EVENT_MONITOR_STOPPED, NULL);
        CHECK(zmq_close(monitor) == 0);
    }
    /* A second takes the place of the first. */
    void *first = listen_to(context, socket, "inproc://first", ZMQ_EVENT_ALL);
    void *second = listen_to(context, socket, "inproc://second", ZMQ_EVENT_ALL);
    expect(first, ZMQ_EVENT_MONITOR_STOPPED, NULL);
    /* In process nothing is told. */
    CHECK(zmq_bind(socket, "inproc://silent") == 0);
    CHECK(zmq_close(socket) == 0);
    expect(second, ZMQ_EVENT_MONITOR_STOPPED, NULL);
    CHECK(zmq_close(first) == 0 && zmq_close(second) == 0);
    CHECK(zmq_ctx_term(context) == 0);
}

static void wrong(void) {
    void *context = zmq_ctx_new();
    void *socket = make(context, ZMQ_PULL);
    FAILS(zmq_socket_monitor(NULL, "inproc://a", ZMQ_EVENT_ALL), ENOTSOCK);
    FAILS(zmq_socket_monitor(socket, "tcp://127.0.0.1:*", ZMQ_EVENT_ALL), EPROTONOSUPPORT);
    FAILS(zmq_socket_monitor(socket, "nothing", ZMQ_EVENT_ALL), EINVAL);
    FAILS(zmq_socket_monitor(socket, "inproc://a", 0x10000), EINVAL);
    CHECK(zmq_socket_monitor(socket, NULL, 0) == 0);
    CHECK(zmq_bind(socket, "inproc://taken") == 0);
    FAILS(zmq_socket_monitor(socket, "inproc://taken", ZMQ_EVENT_ALL), EADDRINUSE);
    CHECK(zmq_close(socket) == 0);
    CHECK(zmq_ctx_term(context) == 0);
}

static void end(void *context) { CHECK(zmq_ctx_term(context) == 0); }

/* Nobody reads what it tells, or nobody connects to it; the context ends all the same. */
static void ends_with_its_context(void) {
    void *context = zmq_ctx_new();
    void *unheard = make(context, ZMQ_PULL), *unread = make(context, ZMQ_PULL);
    CHECK(zmq_socket_monitor(unheard, "inproc://unheard", ZMQ_EVENT_ALL) == 0);
    void *monitor = listen_to(context, unread, "inproc://unread", ZMQ_EVENT_ALL);
    CHECK(zmq_bind(unheard, "tcp://127.0.0.1:*") == 0 && zmq_bind(unread, "tcp://127.0.0.1:*") == 0);
    void *thread = zmq_threadstart(end, context);
    char byte;
    FAILS(zmq_recv(unheard, &byte, 1, 0), ETERM);
    FAILS(zmq_socket_monitor(unread, NULL, 0), ETERM);
    CHECK(zmq_close(unheard) == 0 && zmq_close(unread) == 0 && zmq_close(monitor) == 0);
    zmq_threadclose(thread);
}

int main(void) {
    of_a_connection();
    of_attempts();
    of_handshakes_here();
    of_handshakes_there();
    of_subscribers();
    masked();
    wrong();
    ends_with_its_context();
    return 0;
}
