<?php
// Laravel or Lumen: routes/web.php, behind a web server on 127.0.0.1:3000, which only the gateway reaches.
// In Laravel put it into routes/api.php, where no CSRF token is asked for; the path then begins with /api.

use Illuminate\Http\Request;
use Illuminate\Support\Facades\Log;

$router->post('/webhooks/{sender}', function (Request $request, string $sender) {
    $id = $request->header('sealpost-event-id');
    $type = $request->header('sealpost-event-type');
    Log::info('webhook', [$sender, $type, $id, $request->json()->all()]);

    return response()->json(['received' => true]);
});
