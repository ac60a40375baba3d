// ASP.NET Core, minimal API. It listens on the loopback: only the gateway reaches it.
using System.Text.Json;

var app = WebApplication.CreateBuilder(args).Build();

app.MapPost("/webhooks/{sender}", (string sender, JsonElement body, HttpRequest request) =>
{
    var eventId = request.Headers["sealpost-event-id"].ToString();
    var eventType = request.Headers["sealpost-event-type"].ToString();
    app.Logger.LogInformation("{Sender} {Type} {Id} {Body}", sender, eventType, eventId, body);
    return Results.Json(new { received = true });
});

app.Run("http://127.0.0.1:3000");
