# Rails, started with `bin/rails server -b 127.0.0.1 -p 3000`: only the gateway reaches it.
# config/routes.rb: post "/webhooks/:sender", to: "webhooks#receive"
class WebhooksController < ActionController::API
  def receive
    event = JSON.parse(request.raw_post)
    id = request.headers["sealpost-event-id"]
    Rails.logger.info([params[:sender], request.headers["sealpost-event-type"], id, event].inspect)
    render json: { received: true }
  rescue JSON::ParserError
    render json: { error: "not JSON" }, status: :unprocessable_entity
  end
end
