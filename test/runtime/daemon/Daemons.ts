/** A home with a daemon in it, over any `Dht`, and commands of the same user that find it there. */
import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as NodePath from "@effect/platform-node/NodePath"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import { Dht } from "../../../src/protocol/dht/Dht.ts"
import type { DhtError } from "../../../src/protocol/dht/DhtError.ts"
import * as DhtMemory from "../../../src/protocol/testing/DhtMemory.ts"
import { layer as ed25519 } from "../../../src/runtime/crypto/NodeEd25519.ts"
import * as DaemonClient from "../../../src/runtime/daemon/DaemonClient.ts"
import * as DaemonServer from "../../../src/runtime/daemon/DaemonServer.ts"
import * as DhtRpc from "../../../src/runtime/daemon/DhtRpc.ts"

export const platform = Layer.mergeAll(NodeFileSystem.layer, NodePath.layer, NodeCrypto.layerSecureRandom, ed25519)

export const NETWORK = DhtRpc.networkOf({ isPublic: false, bootstrap: ["127.0.0.1:20001"] })

/** A directory that is gone with the scope. */
export const home = Effect.acquireRelease(
  Effect.sync(() => Fs.mkdtempSync(Path.join(Os.tmpdir(), "libreseed-daemon-"))),
  (path) => Effect.sync(() => Fs.rmSync(path, { recursive: true, force: true }))
)

export const serve = (home: string, dht: Dht["Service"], options: Partial<DaemonServer.Options> = {}) =>
  DaemonServer.serve({
    home,
    command: "daemon",
    version: "0.0.0",
    network: NETWORK,
    standing: Effect.succeed({ mode: "server", role: "server", address: undefined }),
    ...options
  }).pipe(Effect.provideService(Dht, dht), Effect.provide(platform))

/** Longer than a busy machine takes to answer, in ms: no test is to depend on how fast that is. */
const PATIENCE_MS = 10_000

/** What a command of this home gets. `own` is its own node, should it need one. */
export const command = (
  home: string,
  own: Layer.Layer<Dht, DhtError>,
  network = NETWORK,
  probeMs: number = PATIENCE_MS
) =>
  Layer.build(DaemonClient.layer({ home, network, own, probeMs }).pipe(Layer.provide(ed25519))).pipe(
    Effect.map((context) => Context.get(context, Dht))
  )

/** A node of a network in memory. */
export const inMemory = (network = DhtMemory.make()) =>
  Layer.build(DhtMemory.layerOn(network).pipe(Layer.provide(ed25519))).pipe(
    Effect.map((context) => Context.get(context, Dht))
  )

/** An own node that no command is to need. */
export const unneeded: Layer.Layer<Dht> = Layer.effect(
  Dht,
  Effect.die(new Error("an own node was built although the daemon answers"))
)

/** An own node that counts how often it was built. */
export const counted = (dht: Dht["Service"]) => {
  const built = { times: 0 }
  const layer = Layer.effect(
    Dht,
    Effect.sync(() => {
      built.times++
      return dht
    })
  )
  return { built, layer }
}
