// verify.go PORT SECRETS: a receiver that takes only what is signed as Standard Webhooks say.
//
// SECRETS is a file of whsec_ lines; more than one while a secret is changed. What is good is printed, a body a line,
// and answered with 204, all else with 401. Who must not do things twice remembers the webhook-id of each.
package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

const (
	tolerance = 300 * time.Second
	bodyMax   = 4 << 20
)

func readKeys(path string) (keys [][]byte) {
	text, err := os.ReadFile(path)
	if err != nil {
		log.Fatal(err)
	}
	for _, line := range strings.Fields(string(text)) {
		if !strings.HasPrefix(line, "whsec_") {
			continue
		}
		key, err := base64.StdEncoding.DecodeString(line[len("whsec_"):])
		if err != nil {
			log.Fatal(err)
		}
		keys = append(keys, key)
	}
	return keys
}

// whyNot is empty, or says what is wrong with the request.
func whyNot(header http.Header, body []byte, keys [][]byte) string {
	id, seconds := header.Get("webhook-id"), header.Get("webhook-timestamp")
	unix, err := strconv.ParseInt(seconds, 10, 64)
	if id == "" || err != nil {
		return "it is not signed"
	}
	if age := time.Since(time.Unix(unix, 0)); age > tolerance || age < -tolerance {
		return "its timestamp is too old, or ahead"
	}
	for _, entry := range strings.Fields(header.Get("webhook-signature")) {
		version, text, _ := strings.Cut(entry, ",")
		given, err := base64.StdEncoding.DecodeString(text)
		if version != "v1" || err != nil {
			continue
		}
		for _, key := range keys {
			mac := hmac.New(sha256.New, key)
			fmt.Fprintf(mac, "%s.%s.", id, seconds)
			mac.Write(body)
			if hmac.Equal(given, mac.Sum(nil)) {
				return ""
			}
		}
	}
	return "no signature fits"
}

func main() {
	if len(os.Args) != 3 {
		log.Fatal("usage: verify PORT SECRETS")
	}
	keys := readKeys(os.Args[2])
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, bodyMax))
		if err != nil {
			return
		}
		if why := whyNot(r.Header, body, keys); why != "" {
			log.Print("refused: ", why)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		os.Stdout.Write(append(body, '\n'))
		w.WriteHeader(http.StatusNoContent)
	})
	log.Fatal(http.ListenAndServe("127.0.0.1:"+os.Args[1], nil))
}
