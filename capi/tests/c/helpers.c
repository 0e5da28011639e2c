/* Counters, timers, watches, threads, z85, and several frames with one call. */
#include "check.h"

#include <sys/uio.h>

static void counters(void) {
    void *counter = zmq_atomic_counter_new();
    CHECK(zmq_atomic_counter_inc(counter) == 0 && zmq_atomic_counter_inc(counter) == 1);
    CHECK(zmq_atomic_counter_dec(counter) == 1 && zmq_atomic_counter_dec(counter) == 0);
    zmq_atomic_counter_set(counter, 7);
    CHECK(zmq_atomic_counter_value(counter) == 7);
    zmq_atomic_counter_destroy(&counter);
    CHECK(!counter);
}

static void called(int timer, void *argument) {
    CHECK(timer == 1);
    ++*(int *)argument;
}

static void timers(void) {
    void *timers = zmq_timers_new();
    int calls = 0;
    CHECK(zmq_timers_timeout(timers) == -1);
    FAILS(zmq_timers_add(timers, 1, NULL, NULL), EFAULT);
    CHECK(zmq_timers_add(timers, 20, called, &calls) == 1);
    long timeout = zmq_timers_timeout(timers);
    CHECK(0 < timeout && timeout <= 20);
    CHECK(zmq_timers_execute(timers) == 0 && calls == 0);
    while (zmq_timers_timeout(timers) > 0) {
        zmq_poll(NULL, 0, zmq_timers_timeout(timers));
    }
    CHECK(zmq_timers_execute(timers) == 0 && calls == 1);
    CHECK(zmq_timers_reset(timers, 1) == 0 && zmq_timers_set_interval(timers, 1, 100000) == 0);
    CHECK(zmq_timers_timeout(timers) > 1000);
    CHECK(zmq_timers_cancel(timers, 1) == 0);
    FAILS(zmq_timers_cancel(timers, 1), EINVAL);
    CHECK(zmq_timers_destroy(&timers) == 0 && !timers);
    FAILS(zmq_timers_destroy(&timers), EFAULT);
}

static void z85(void) {
    const uint8_t bytes[] = {0x86, 0x4f, 0xd2, 0x6f, 0xb5, 0x59, 0xf7, 0x5b};
    uint8_t decoded[8];
    char text[11];
    CHECK(zmq_z85_encode(text, bytes, 8) == text && strcmp(text, "HelloWorld") == 0);
    CHECK(zmq_z85_decode(decoded, text) == decoded && memcmp(decoded, bytes, 8) == 0);
    CHECK(!zmq_z85_encode(text, bytes, 7) && zmq_errno() == EINVAL);
    CHECK(!zmq_z85_decode(decoded, "Hello") == 0 && !zmq_z85_decode(decoded, "Hell") && zmq_errno() == EINVAL);
    char key[41];
    FAILS(zmq_curve_keypair(key, key), ENOTSUP);
}

static void started(void *argument) {
    zmq_sleep(0);
    *(int *)argument = 1;
}

static void threads(void) {
    int ran = 0;
    void *watch = zmq_stopwatch_start();
    void *thread = zmq_threadstart(started, &ran);
    CHECK(thread);
    zmq_threadclose(thread);
    CHECK(ran);
    zmq_poll(NULL, 0, 2);
    unsigned long early = zmq_stopwatch_intermediate(watch);
    CHECK(early >= 2000 && zmq_stopwatch_stop(watch) >= early);
}

static void frames(void *context) {
    void *out = make(context, ZMQ_PAIR), *in = make(context, ZMQ_PAIR);
    CHECK(zmq_bind(in, "inproc://frames") == 0 && zmq_connect(out, "inproc://frames") == 0);
    struct iovec sent[3] = {{"one", 3}, {"", 0}, {"three", 5}}, received[4];
    size_t count = 4;
    CHECK(zmq_sendiov(out, sent, 3, ZMQ_SNDMORE) == 5);
    CHECK(zmq_recviov(in, received, &count, 0) == 3 && count == 3);
    for (int i = 0; i < 3; ++i) {
        CHECK(received[i].iov_len == sent[i].iov_len);
        CHECK(memcmp(received[i].iov_base, sent[i].iov_base, sent[i].iov_len) == 0);
        free(received[i].iov_base);
    }
    /* Without ZMQ_SNDMORE each is a message; and no more are taken than there is room for. */
    CHECK(zmq_sendiov(out, sent, 3, 0) == 5);
    count = 4;
    CHECK(zmq_recviov(in, received, &count, 0) == 1 && count == 1);
    free(received[0].iov_base);
    hear(in, "");
    hear(in, "three");
    CHECK(zmq_sendiov(out, sent, 3, ZMQ_SNDMORE) == 5);
    count = 1;
    CHECK(zmq_recviov(in, received, &count, 0) == 1);
    free(received[0].iov_base);
    hear(in, "");
    hear(in, "three");
    count = 0;
    FAILS(zmq_recviov(in, received, &count, 0), EINVAL);
    FAILS(zmq_recviov(in, received, NULL, 0), EINVAL);
    FAILS(zmq_sendiov(out, sent, 0, 0), EINVAL);
    FAILS(zmq_sendiov(NULL, sent, 3, 0), ENOTSOCK);
    count = 4;
    FAILS(zmq_recviov(in, received, &count, ZMQ_DONTWAIT), EAGAIN);
    CHECK(count == 0);
    CHECK(zmq_close(out) == 0 && zmq_close(in) == 0);
}

int main(void) {
    void *context = zmq_ctx_new();
    counters();
    timers();
    z85();
    threads();
    frames(context);
    CHECK(zmq_ctx_term(context) == 0);
    return 0;
}
