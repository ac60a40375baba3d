// net/http. It listens on the loopback: only the gateway reaches it.
package main

import (
	"encoding/json"
	"log"
	"net/http"
)

func receive(w http.ResponseWriter, r *http.Request) {
	var event map[string]any
	if err := json.NewDecoder(r.Body).Decode(&event); err != nil {
		http.Error(w, "not JSON", http.StatusUnprocessableEntity)
		return
	}
	log.Println(r.Header.Get("sealpost-event-type"), r.Header.Get("sealpost-event-id"), event)
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write([]byte(`{"received":true}`))
}

func main() {
	http.HandleFunc("/webhooks/", receive)
	log.Fatal(http.ListenAndServe("127.0.0.1:3000", nil))
}
