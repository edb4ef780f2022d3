# A daemon whose clock the test sets, for e2e files that load it behind common. It is confined like any other.
#
#   load ../lib/clock
#   clock 0
#   start_with_clock
#   clock 86400 # a day ahead, from now on

# clock SECONDS [SLEPT]: ahead of the true one from now on; so long has the machine slept. By one write, of
# one length: a daemon keeps the file open.
clock() {
  printf '%-60s\n' "$*" 1<>"$HERE/ahead"
}

# start_with_clock [OPTION…]
start_with_clock() {
  CLOCKSTEP=$HERE/ahead LD_PRELOAD=$CLOCKSTEP_SO ASAN_OPTIONS=$ASAN_OPTIONS:verify_asan_link_order=0 start "$@"
}
