#!/bin/sh
# A training run that tells its own story: it fits a line to 40 points by gradient descent and
# writes what becomes of it to a webhookfs mount. Too high a learning rate makes it fail.
#
# usage: train.sh EXPERIMENT LEARNING_RATE EVENTS
set -eu

object=experiment/$1
rate=$2
events=$3
request_id=$(cat /proc/sys/kernel/random/uuid)

tell() {
  printf '%s %s request_id=%s %s\n' "$object" "$1" "$request_id" "${2-}" > "$events"
}

# Prints the metrics as JSON, or the reason why there are none.
fit() {
  awk -v rate="$rate" '
    BEGIN {
      n = 40
      for (i = 0; i < n; i++) {
        x[i] = i / n
        y[i] = 3 * x[i] + 2 + 0.1 * ((7 * i) % 5 - 2)
      }
      for (epoch = 1; epoch <= 200; epoch++) {
        loss = slope = height = 0
        for (i = 0; i < n; i++) {
          miss = a * x[i] + b - y[i]
          loss += miss * miss / n
          slope += 2 * miss * x[i] / n
          height += 2 * miss / n
        }
        a -= rate * slope
        b -= rate * height
        if (epoch % 50 == 0 || loss > 1e6)
          printf "epoch %d loss %.4g\n", epoch, loss > "/dev/stderr"
        if (loss > 1e6) {
          printf "loss diverged in epoch %d, learning rate %s", epoch, rate
          exit 1
        }
      }
      printf "{\"epochs\":%d,\"loss\":%.4f,\"a\":%.3f,\"b\":%.3f}", epoch - 1, loss, a, b
    }'
}

tell processing
if outcome=$(fit); then
  tell completed "result='$outcome'"
else
  tell failed "error_message=\"$outcome\""
  exit 1
fi
