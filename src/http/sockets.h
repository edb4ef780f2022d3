#pragma once
/*
 * sockets: the descriptors that curl waits for, in an epoll.
 *
 * Three of its functions are curl's callbacks, with the struct as their context. Knows nothing of
 * requests, nor of which addresses may be called. One thread.
 */
#include <curl/curl.h>
#include <stddef.h>
#include <stdint.h>

struct watch;

struct sockets {
	int epoll_fd;          /* the owner may put descriptors of its own in */
	struct watch *watches; /* by descriptor */
	size_t count;
};

int sockets_init(struct sockets *s); /* 0, -errno of epoll_create1 */
void sockets_release(struct sockets *s);

/* CURLMOPT_SOCKETFUNCTION */
int sockets_watch(CURL *easy, curl_socket_t fd, int what, void *sockets, void *unused);
/* For a CURLOPT_OPENSOCKETFUNCTION; CURL_SOCKET_BAD without a descriptor or memory. */
curl_socket_t sockets_open(struct sockets *s, const struct curl_sockaddr *to);
/* CURLOPT_CLOSESOCKETFUNCTION, always beside sockets_open */
int sockets_close(void *sockets, curl_socket_t fd);

/* What epoll reported of a descriptor of curl's, as CURL_CSELECT_ bits; 0: nothing that curl is to know. */
int sockets_ready(struct sockets *s, int fd, uint32_t events);
