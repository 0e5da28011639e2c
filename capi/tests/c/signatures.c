/* Every function of libzmq 4.3.5, as it is declared there, whichever zmq.h this is compiled with. Compiled is all it is. */
#define ZMQ_BUILD_DRAFT_API
#include <stddef.h>
#include <zmq.h>

struct signatures {
    void (*zmq_version)(int *, int *, int *);
    int (*zmq_has)(const char *);
    int (*zmq_errno)(void);
    const char *(*zmq_strerror)(int);
    void *(*zmq_ctx_new)(void);
    int (*zmq_ctx_term)(void *);
    int (*zmq_ctx_shutdown)(void *);
    int (*zmq_ctx_set)(void *, int, int);
    int (*zmq_ctx_get)(void *, int);
    void *(*zmq_init)(int);
    int (*zmq_term)(void *);
    int (*zmq_ctx_destroy)(void *);
    int (*zmq_msg_init)(zmq_msg_t *);
    int (*zmq_msg_init_size)(zmq_msg_t *, size_t);
    int (*zmq_msg_init_data)(zmq_msg_t *, void *, size_t, zmq_free_fn *, void *);
    int (*zmq_msg_close)(zmq_msg_t *);
    int (*zmq_msg_move)(zmq_msg_t *, zmq_msg_t *);
    int (*zmq_msg_copy)(zmq_msg_t *, zmq_msg_t *);
    void *(*zmq_msg_data)(zmq_msg_t *);
    size_t (*zmq_msg_size)(const zmq_msg_t *);
    int (*zmq_msg_more)(const zmq_msg_t *);
    int (*zmq_msg_get)(const zmq_msg_t *, int);
    int (*zmq_msg_set)(zmq_msg_t *, int, int);
    const char *(*zmq_msg_gets)(const zmq_msg_t *, const char *);
    int (*zmq_msg_send)(zmq_msg_t *, void *, int);
    int (*zmq_msg_recv)(zmq_msg_t *, void *, int);
    void *(*zmq_socket)(void *, int);
    int (*zmq_close)(void *);
    int (*zmq_setsockopt)(void *, int, const void *, size_t);
    int (*zmq_getsockopt)(void *, int, void *, size_t *);
    int (*zmq_bind)(void *, const char *);
    int (*zmq_connect)(void *, const char *);
    int (*zmq_unbind)(void *, const char *);
    int (*zmq_disconnect)(void *, const char *);
    int (*zmq_send)(void *, const void *, size_t, int);
    int (*zmq_send_const)(void *, const void *, size_t, int);
    int (*zmq_recv)(void *, void *, size_t, int);
    int (*zmq_sendiov)(void *, struct iovec *, size_t, int);
    int (*zmq_recviov)(void *, struct iovec *, size_t *, int);
    int (*zmq_sendmsg)(void *, zmq_msg_t *, int);
    int (*zmq_recvmsg)(void *, zmq_msg_t *, int);
    int (*zmq_socket_monitor)(void *, const char *, int);
    int (*zmq_poll)(zmq_pollitem_t *, int, long);
    int (*zmq_proxy)(void *, void *, void *);
    int (*zmq_proxy_steerable)(void *, void *, void *, void *);
    int (*zmq_device)(int, void *, void *);
    char *(*zmq_z85_encode)(char *, const uint8_t *, size_t);
    uint8_t *(*zmq_z85_decode)(uint8_t *, const char *);
    int (*zmq_curve_keypair)(char *, char *);
    int (*zmq_curve_public)(char *, const char *);
    void *(*zmq_atomic_counter_new)(void);
    void (*zmq_atomic_counter_set)(void *, int);
    int (*zmq_atomic_counter_inc)(void *);
    int (*zmq_atomic_counter_dec)(void *);
    int (*zmq_atomic_counter_value)(void *);
    void (*zmq_atomic_counter_destroy)(void **);
    void *(*zmq_timers_new)(void);
    int (*zmq_timers_destroy)(void **);
    int (*zmq_timers_add)(void *, size_t, zmq_timer_fn, void *);
    int (*zmq_timers_cancel)(void *, int);
    int (*zmq_timers_set_interval)(void *, int, size_t);
    int (*zmq_timers_reset)(void *, int);
    long (*zmq_timers_timeout)(void *);
    int (*zmq_timers_execute)(void *);
    void *(*zmq_stopwatch_start)(void);
    unsigned long (*zmq_stopwatch_intermediate)(void *);
    unsigned long (*zmq_stopwatch_stop)(void *);
    void (*zmq_sleep)(int);
    void *(*zmq_threadstart)(zmq_thread_fn *, void *);
    void (*zmq_threadclose)(void *);
    int (*zmq_ctx_set_ext)(void *, int, const void *, size_t);
    int (*zmq_ctx_get_ext)(void *, int, void *, size_t *);
    int (*zmq_msg_init_buffer)(zmq_msg_t *, const void *, size_t);
    int (*zmq_msg_set_routing_id)(zmq_msg_t *, uint32_t);
    uint32_t (*zmq_msg_routing_id)(zmq_msg_t *);
    int (*zmq_msg_set_group)(zmq_msg_t *, const char *);
    const char *(*zmq_msg_group)(zmq_msg_t *);
    int (*zmq_join)(void *, const char *);
    int (*zmq_leave)(void *, const char *);
    uint32_t (*zmq_connect_peer)(void *, const char *);
    int (*zmq_socket_get_peer_state)(void *, const void *, size_t);
    int (*zmq_socket_monitor_versioned)(void *, const char *, uint64_t, int, int);
    int (*zmq_socket_monitor_pipes_stats)(void *);
#if ZMQ_VERSION >= ZMQ_MAKE_VERSION(4, 3, 5)
    int (*zmq_ppoll)(zmq_pollitem_t *, int, long, const sigset_t *);
#endif
    void *(*zmq_poller_new)(void);
    int (*zmq_poller_destroy)(void **);
    int (*zmq_poller_size)(void *);
    int (*zmq_poller_add)(void *, void *, void *, short);
    int (*zmq_poller_modify)(void *, void *, short);
    int (*zmq_poller_remove)(void *, void *);
    int (*zmq_poller_add_fd)(void *, zmq_fd_t, void *, short);
    int (*zmq_poller_modify_fd)(void *, zmq_fd_t, short);
    int (*zmq_poller_remove_fd)(void *, zmq_fd_t);
    int (*zmq_poller_wait)(void *, zmq_poller_event_t *, long);
    int (*zmq_poller_wait_all)(void *, zmq_poller_event_t *, int, long);
    int (*zmq_poller_fd)(void *, zmq_fd_t *);
};

extern const struct signatures all;
const struct signatures all = {
    zmq_version,
    zmq_has,
    zmq_errno,
    zmq_strerror,
    zmq_ctx_new,
    zmq_ctx_term,
    zmq_ctx_shutdown,
    zmq_ctx_set,
    zmq_ctx_get,
    zmq_init,
    zmq_term,
    zmq_ctx_destroy,
    zmq_msg_init,
    zmq_msg_init_size,
    zmq_msg_init_data,
    zmq_msg_close,
    zmq_msg_move,
    zmq_msg_copy,
    zmq_msg_data,
    zmq_msg_size,
    zmq_msg_more,
    zmq_msg_get,
    zmq_msg_set,
    zmq_msg_gets,
    zmq_msg_send,
    zmq_msg_recv,
    zmq_socket,
    zmq_close,
    zmq_setsockopt,
    zmq_getsockopt,
    zmq_bind,
    zmq_connect,
    zmq_unbind,
    zmq_disconnect,
    zmq_send,
    zmq_send_const,
    zmq_recv,
    zmq_sendiov,
    zmq_recviov,
    zmq_sendmsg,
    zmq_recvmsg,
    zmq_socket_monitor,
    zmq_poll,
    zmq_proxy,
    zmq_proxy_steerable,
    zmq_device,
    zmq_z85_encode,
    zmq_z85_decode,
    zmq_curve_keypair,
    zmq_curve_public,
    zmq_atomic_counter_new,
    zmq_atomic_counter_set,
    zmq_atomic_counter_inc,
    zmq_atomic_counter_dec,
    zmq_atomic_counter_value,
    zmq_atomic_counter_destroy,
    zmq_timers_new,
    zmq_timers_destroy,
    zmq_timers_add,
    zmq_timers_cancel,
    zmq_timers_set_interval,
    zmq_timers_reset,
    zmq_timers_timeout,
    zmq_timers_execute,
    zmq_stopwatch_start,
    zmq_stopwatch_intermediate,
    zmq_stopwatch_stop,
    zmq_sleep,
    zmq_threadstart,
    zmq_threadclose,
    zmq_ctx_set_ext,
    zmq_ctx_get_ext,
    zmq_msg_init_buffer,
    zmq_msg_set_routing_id,
    zmq_msg_routing_id,
    zmq_msg_set_group,
    zmq_msg_group,
    zmq_join,
    zmq_leave,
    zmq_connect_peer,
    zmq_socket_get_peer_state,
    zmq_socket_monitor_versioned,
    zmq_socket_monitor_pipes_stats,
#if ZMQ_VERSION >= ZMQ_MAKE_VERSION(4, 3, 5)
    zmq_ppoll,
#endif
    zmq_poller_new,
    zmq_poller_destroy,
    zmq_poller_size,
    zmq_poller_add,
    zmq_poller_modify,
    zmq_poller_remove,
    zmq_poller_add_fd,
    zmq_poller_modify_fd,
    zmq_poller_remove_fd,
    zmq_poller_wait,
    zmq_poller_wait_all,
    zmq_poller_fd,
};
