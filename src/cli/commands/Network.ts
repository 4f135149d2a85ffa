/** A live node for the length of a command, from the session's settings. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as LiveNode from "../../runtime/LiveNode.ts"
import { Session } from "../Session.ts"

const layer = Layer.unwrap(
  Effect.map(Session, ({ bootstrap, home, host, isPublic, port }) =>
    LiveNode.layer({ home, host, port, bootstrap, remembersNodes: isPublic })
  )
)

/** Opens the sockets, runs the work, and closes them whatever came of it. */
export const provide = Effect.provide(layer)
