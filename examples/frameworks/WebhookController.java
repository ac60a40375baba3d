// Spring Boot, with server.address=127.0.0.1 and server.port=3000: only the gateway reaches it.
package com.example.webhooks;

import java.util.Map;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.springframework.web.bind.annotation.PathVariable;
import org.springframework.web.bind.annotation.PostMapping;
import org.springframework.web.bind.annotation.RequestBody;
import org.springframework.web.bind.annotation.RequestHeader;
import org.springframework.web.bind.annotation.RestController;

@RestController
public class WebhookController {
    private static final Logger log = LoggerFactory.getLogger(WebhookController.class);

    @PostMapping("/webhooks/{sender}")
    public Map<String, Object> receive(
            @PathVariable("sender") String sender,
            @RequestHeader(value = "sealpost-event-id", required = false) String eventId,
            @RequestHeader(value = "sealpost-event-type", required = false) String eventType,
            @RequestBody Map<String, Object> event) {
        log.info("{} {} {} {}", sender, eventType, eventId, event);
        return Map.of("received", true);
    }
}
