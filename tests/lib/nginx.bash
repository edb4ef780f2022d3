# nginx as a receiver, for what the sink cannot do: HTTP/2, and files of any size.
#
# Load it behind common.bash, which ends it with the sinks.
#
# shellcheck disable=SC2034 # the e2e files use what is not used here

# start_nginx LISTEN SERVER: the words behind the address in `listen` ("ssl http2", or none), and what else
# is in `server`. Sets NGINX_PORT; each request is a line of $NGINX_DIR/requests: protocol, connection, status,
# webhook-id.
start_nginx() {
  local try pid
  NGINX_DIR=$HERE/nginx
  mkdir -p "$NGINX_DIR/files"
  for try in 1 2 3 4 5; do
    NGINX_PORT=$(python3 -c 'import socket
s = socket.socket()
s.bind(("127.0.0.1", 0))
print(s.getsockname()[1])')
    nginx_config "$@" >"$NGINX_DIR/nginx.conf"
    nginx -p "$NGINX_DIR" -e "$NGINX_DIR/errors" -c "$NGINX_DIR/nginx.conf" >>"$NGINX_DIR/said" 2>&1 3>&- &
    pid=$!
    eventually 10 nginx_listens_or_dead "$pid" || return
    if alive "$pid"; then
      SINKS+=("$pid")
      return
    fi
    wait "$pid" || : # somebody else was faster with the port
  done
  fail 'nginx does not start' "$(cat "$NGINX_DIR/said")"
}

nginx_config() {
  cat <<END
daemon off;
master_process off;
pid $NGINX_DIR/pid;
events { worker_connections 512; }
http {
  client_body_temp_path $NGINX_DIR/tmp;
  proxy_temp_path $NGINX_DIR/tmp;
  fastcgi_temp_path $NGINX_DIR/tmp;
  uwsgi_temp_path $NGINX_DIR/tmp;
  scgi_temp_path $NGINX_DIR/tmp;
  log_format requests '\$server_protocol \$connection \$status \$http_webhook_id';
  access_log $NGINX_DIR/requests requests;
  root $NGINX_DIR/files;
  server {
    listen 127.0.0.1:$NGINX_PORT $1;
    $2
  }
}
END
}

nginx_listens_or_dead() {
  gone "$1" || { exec 9<>"/dev/tcp/127.0.0.1/$NGINX_PORT"; } 2>/dev/null
}

# nginx_field N: the different ones of its requests, with their counts.
nginx_field() {
  cut -d' ' -f"$1" "$NGINX_DIR/requests" | sort | uniq -c | awk '{ print $2, $1 }'
}

# nginx_has N: that many different deliveries have come. It logs requests behind its answers.
nginx_has() {
  [ "$(nginx_field 4 | wc -l)" -eq "$1" ]
}

# nginx_came TIMES: how many deliveries came so often.
nginx_came() {
  nginx_field 4 | awk -v times="$1" '$2 == times' | wc -l
}

# nginx_connections: how many its requests came over.
nginx_connections() {
  nginx_field 2 | wc -l
}

nginx_connected() {
  [ "$(nginx_connections)" -eq "$1" ]
}
