/**
 * The program of a peer in `Transfers`, in a process of its own so that its time and memory are its own. It is told
 * by its parent what to serve from where (`serve`), or what to fetch into where (`fetch`), and tells how that went. The
 * DHT is one of its own, which knows nobody: peers are dialled by hints.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Hex from "effect/encoding/Hex"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Path from "effect/Path"
import * as Schema from "effect/Schema"
import * as PeerAddress from "../../src/protocol/core/PeerAddress.ts"
import { sha1 } from "../../src/protocol/core/Digest.ts"
import { Swarm } from "../../src/protocol/swarm/Swarm.ts"
import * as Torrent from "../../src/protocol/swarm/Torrent.ts"
import * as DhtMemory from "../../src/protocol/testing/DhtMemory.ts"
import * as OfflineNode from "../../src/runtime/OfflineNode.ts"
import * as FileContent from "../../src/runtime/store/FileContent.ts"
import * as BitTorrentSwarm from "../../src/runtime/swarm/BitTorrentSwarm.ts"
import * as TorrentStreamSwarm from "../../src/runtime/swarm/TorrentStreamSwarm.ts"

const Task = Schema.Struct({
  kind: Schema.Literals(["serve", "fetch"]),
  /** Where the files of each torrent are, or are to be; and its info dictionary in hex. */
  torrents: Schema.Array(Schema.Struct({ directory: Schema.String, info: Schema.String })),
  /** `host:port` */
  peers: Schema.Array(Schema.String),
  layer: Schema.Literals(["own", "torrent-stream"])
})
export type Task = typeof Task.Type

/** Of a fetch. `firstMs` is when the first piece was written, `cpuMs` what the process computed meanwhile. */
export const Report = Schema.Struct({
  ms: Schema.Finite,
  firstMs: Schema.Finite,
  cpuMs: Schema.Finite,
  rssMb: Schema.Finite
})
export type Report = typeof Report.Type

const LAYERS = { own: BitTorrentSwarm.layer, "torrent-stream": TorrentStreamSwarm.layer }

/** Torrents that are fetched at a time. */
const AT_ONCE = 32
/** The kernel's own maximum begins with that of the parent. */
const RSS_EVERY_MS = 50

const serve = Effect.fnUntraced(function* ({ torrents }: Task) {
  const swarm = yield* Swarm
  for (const { directory, info } of torrents) {
    const torrent = yield* torrentOf(info)
    const content = yield* FileContent.open(directory, torrent, "read")
    yield* swarm.seed(torrent, content)
  }
  return String(swarm.address)
})

const torrentOf = (info: string) => {
  const bytes = Result.getOrThrow(Hex.decode(info))
  return Torrent.fromInfo(bytes, Hex.encode(sha1(bytes)))
}

const fetch = Effect.fnUntraced(function* ({ peers, torrents }: Task) {
  const swarm = yield* Swarm
  const fs = yield* FileSystem.FileSystem
  const hints = peers.flatMap((peer) => Option.toArray(PeerAddress.parse(peer)))
  const parsed = yield* Effect.forEach(torrents, ({ directory, info }) =>
    Effect.map(torrentOf(info), (torrent) => ({ directory, torrent }))
  )
  const files = Context.pick(
    FileSystem.FileSystem,
    Path.Path
  )(yield* Effect.context<FileSystem.FileSystem | Path.Path>())
  let rss = 0
  const sampling = setInterval(() => (rss = Math.max(rss, process.memoryUsage.rss())), RSS_EVERY_MS)
  const started = performance.now()
  const startedCpu = process.cpuUsage()
  let firstMs = Infinity
  yield* Effect.forEach(
    parsed,
    ({ directory, torrent }) =>
      swarm.download({
        infohash: torrent.infohash,
        torrent,
        hints,
        open: () =>
          Effect.orDie(fs.makeDirectory(directory, { recursive: true })).pipe(
            Effect.andThen(FileContent.open(directory, torrent, "write")),
            Effect.provideContext(files)
          ),
        timeout: "2 minutes",
        onProgress: ({ receivedBytes }) =>
          Effect.sync(() => {
            if (receivedBytes > 0) firstMs = Math.min(firstMs, performance.now() - started)
          })
      }),
    { concurrency: AT_ONCE, discard: true }
  )
  const { system, user } = process.cpuUsage(startedCpu)
  const ms = performance.now() - started
  clearInterval(sampling)
  const rssMb = Math.max(rss, process.memoryUsage.rss()) / 1e6
  return { ms, firstMs, cpuMs: (system + user) / 1000, rssMb } satisfies Report
})

const nextTask = Effect.callback<unknown>((resume) => {
  process.once("message", (message) => resume(Effect.succeed(message)))
}).pipe(Effect.flatMap(Schema.decodeUnknownEffect(Task)))

const work = (task: Task) =>
  Effect.gen(function* () {
    return task.kind === "serve" ? yield* serve(task) : yield* fetch(task)
  })

const main = Effect.gen(function* () {
  const first = yield* nextTask
  const swarm = LAYERS[first.layer]({ host: "127.0.0.1", port: 0, allowPrivatePeers: true })
  const layer = Layer.provide(swarm, DhtMemory.layerOn(DhtMemory.make())).pipe(
    Layer.provideMerge(first.kind === "serve" ? OfflineNode.servingPlatform : OfflineNode.platform)
  )
  const context = yield* Layer.build(layer)
  for (let task = first; ; task = yield* nextTask) {
    process.send?.(yield* Effect.provideContext(work(task), context))
  }
}).pipe(Effect.scoped)

if (process.send !== undefined) {
  process.once("disconnect", () => process.exit())
  Effect.runFork(main)
}
