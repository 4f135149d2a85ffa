/** The command line's end of a daemon: which one it may use, and how it serves one itself. Loaded where there is one. */
import type * as Layer from "effect/Layer"
import type { Dht } from "../../protocol/dht/Dht.ts"
import type { DhtError } from "../../protocol/dht/DhtError.ts"
import * as DaemonClient from "../../runtime/daemon/DaemonClient.ts"
import * as DhtRpc from "../../runtime/daemon/DhtRpc.ts"
import type { Session } from "../Session.ts"

/** `Dht` through the daemon of the session's home, or else through the own node. */
export const dht = <R>(session: Session["Service"], own: Layer.Layer<Dht, DhtError, R>) =>
  DaemonClient.layer({ home: session.home, network: DhtRpc.networkOf(session), own })
