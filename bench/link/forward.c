/*
 * A long link between two network namespaces: forwards IP packets between a TUN device in each, and holds every packet
 * back for a time, in order. The kernel's netem would do the same, where it is compiled in.
 *
 * usage: forward <namespace file> <namespace file> <device name> <delay in microseconds each way> <bytes a second, 0: any>
 *
 * Prints "ready" when both devices exist; the caller gives them addresses. Ends when its standard input does.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define MAX_PACKET 9216
/* 150 MB of packets on their way: 40 ms at 3.7 GB/s. When they are used up, the reader waits and the device queues. */
#define SLOTS 16384

struct slot {
  int64_t due;
  int length;
  unsigned char bytes[MAX_PACKET];
};

struct direction {
  int from, to;
  int64_t delay;
  int64_t rate; /* bytes a second; 0: as fast as it goes */
  struct slot *slots;
  unsigned long head, tail; /* head: next to fill, tail: next to send */
  pthread_mutex_t lock;
  pthread_cond_t changed;
};

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static int64_t now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int open_tun(const char *namespace, const char *name) {
  int ns = open(namespace, O_RDONLY | O_CLOEXEC);
  if (ns < 0) fail(namespace);
  if (setns(ns, CLONE_NEWNET) < 0) fail("setns");
  close(ns);
  int tun = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
  if (tun < 0) fail("/dev/net/tun");
  struct ifreq request;
  memset(&request, 0, sizeof request);
  request.ifr_flags = IFF_TUN | IFF_NO_PI;
  strncpy(request.ifr_name, name, IFNAMSIZ - 1);
  if (ioctl(tun, TUNSETIFF, &request) < 0) fail("TUNSETIFF");
  return tun;
}

static void *read_packets(void *argument) {
  struct direction *d = argument;
  int64_t sent = 0; /* when the link has sent the packet before */
  for (;;) {
    pthread_mutex_lock(&d->lock);
    while (d->head - d->tail == SLOTS) pthread_cond_wait(&d->changed, &d->lock);
    struct slot *slot = &d->slots[d->head % SLOTS];
    pthread_mutex_unlock(&d->lock);
    ssize_t length = read(d->from, slot->bytes, MAX_PACKET);
    if (length < 0) {
      if (errno == EINTR || errno == EIO) continue; /* EIO: the device is not up yet */
      fail("read");
    }
    slot->length = length;
    int64_t received = now();
    if (sent < received) sent = received;
    if (d->rate > 0) sent += length * 1000000000 / d->rate;
    slot->due = sent + d->delay;
    pthread_mutex_lock(&d->lock);
    d->head++;
    if (d->head - d->tail == 1) pthread_cond_broadcast(&d->changed);
    pthread_mutex_unlock(&d->lock);
  }
  return NULL;
}

static void *write_packets(void *argument) {
  struct direction *d = argument;
  for (;;) {
    pthread_mutex_lock(&d->lock);
    while (d->head == d->tail) pthread_cond_wait(&d->changed, &d->lock);
    struct slot *slot = &d->slots[d->tail % SLOTS];
    unsigned long ready = d->head;
    pthread_mutex_unlock(&d->lock);
    unsigned long sent = d->tail;
    while (sent != ready) {
      slot = &d->slots[sent % SLOTS];
      int64_t left = slot->due - now();
      if (left > 0) {
        struct timespec due = {slot->due / 1000000000, slot->due % 1000000000};
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL);
      }
      /* A packet that the device does not take is lost, as on any link. */
      if (write(d->to, slot->bytes, slot->length) < 0 && errno != EINVAL && errno != EIO && errno != ENOBUFS) fail("write");
      sent++;
      if ((sent & 63) == 0) break;
    }
    pthread_mutex_lock(&d->lock);
    int was_full = d->head - d->tail == SLOTS;
    d->tail = sent;
    if (was_full) pthread_cond_broadcast(&d->changed);
    pthread_mutex_unlock(&d->lock);
  }
  return NULL;
}

int main(int count, char **arguments) {
  if (count != 6) {
    fprintf(stderr, "usage: forward <namespace> <namespace> <device> <microseconds> <bytes a second>\n");
    return 2;
  }
  int near = open_tun(arguments[1], arguments[3]);
  int far = open_tun(arguments[2], arguments[3]);
  int64_t delay = strtoll(arguments[4], NULL, 10) * 1000;
  int64_t rate = strtoll(arguments[5], NULL, 10);
  struct direction directions[2] = {{.from = near, .to = far}, {.from = far, .to = near}};
  for (int i = 0; i < 2; i++) {
    struct direction *d = &directions[i];
    d->delay = delay;
    d->rate = rate;
    d->slots = calloc(SLOTS, sizeof *d->slots);
    if (d->slots == NULL) fail("calloc");
    pthread_mutex_init(&d->lock, NULL);
    pthread_cond_init(&d->changed, NULL);
    pthread_t reader, writer;
    if (pthread_create(&reader, NULL, read_packets, d) || pthread_create(&writer, NULL, write_packets, d)) fail("thread");
  }
  printf("ready\n");
  fflush(stdout);
  char byte;
  while (read(0, &byte, 1) > 0 || errno == EINTR) continue;
  return 0;
}
