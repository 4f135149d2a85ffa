/** All metrics of this process in the text format of Prometheus, at `GET /metrics` of a small HTTP server. */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { createServer } from "node:http"
import { ExitCode } from "../../protocol/core/Errors.ts"

export const CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

/** A page takes milliseconds; whoever is still connected after that only holds the line. */
const SHUTDOWN = Duration.seconds(1)

/** The metrics page cannot be served there. */
export class MetricsFailed extends Schema.TaggedError<MetricsFailed>()("MetricsFailed", {
  address: Schema.String,
  problem: Schema.String
}) {
  readonly exitCode = ExitCode.network
  readonly hint = "Choose another address or port with --metrics host:port (port 0 picks a free one)."
  override get message() {
    return `Cannot serve metrics at ${this.address}: ${this.problem}`
  }
}

/** Serves the page until the scope closes; gives the port. Whoever can reach the address can read it. */
export const serve = Effect.fn("MetricsPage.serve")(function* (
  address: { readonly host: string; readonly port: number },
  text: Effect.Effect<string>
) {
  const server = createServer()
  const page = HttpRouter.add(
    "GET",
    "/metrics",
    Effect.map(text, (body) => HttpServerResponse.text(body, { contentType: CONTENT_TYPE }))
  )
  const http = NodeHttpServer.layer(() => server, { ...address, gracefulShutdownTimeout: SHUTDOWN })
  yield* HttpRouter.serve(page, { disableLogger: true, disableListenLog: true }).pipe(
    Layer.provide(http),
    Layer.build,
    Effect.mapError(
      (error) =>
        new MetricsFailed({
          address: `${address.host}:${address.port}`,
          problem: error.cause instanceof Error ? error.cause.message : error.message
        })
    )
  )
  const bound = server.address()
  return typeof bound === "object" && bound !== null ? bound.port : address.port
})
