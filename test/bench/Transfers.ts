/**
 * Bytes over TCP on loopback, each peer in a process of its own: a large torrent from one seeder, from four, over a long
 * way, and by aria2c from the same seeders; small ones one by one, and many at once. Rates are in 10^6 bytes a second,
 * medians; the clock starts when the peers are known.
 */
import { type ChildProcess, fork } from "node:child_process"
import * as Crypto from "node:crypto"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import * as Schema from "effect/Schema"
import * as Esbuild from "esbuild"
import * as PieceHasher from "../../src/protocol/swarm/PieceHasher.ts"
import * as Torrent from "../../src/protocol/swarm/Torrent.ts"
import * as Fixtures from "../protocol/registry/Fixtures.ts"
import * as Aria2 from "./Aria2.ts"
import * as DelayRelay from "./DelayRelay.ts"
import { median, round } from "./Measure.ts"
import * as Scratch from "./Scratch.ts"
import { Report, type Task } from "./TransferPeer.ts"

const LARGE_BYTES = 100 * 1000 * 1000
const SMALL_BYTES = 50 * 1000
const SMALL_COUNT = 300
const SEEDERS = 4
/** Of 50 ms round trip, one way. */
const DELAY_MS = 25
const ROUNDS = 5

interface Release {
  readonly info: Uint8Array
  readonly directory: string
}

/** Random bytes as the files of a release, on the disk. */
const write = (directory: string, name: string, bytes: Uint8Array): Release => {
  const manifestLength = Math.min(1000, bytes.length >> 1)
  const pieces = PieceHasher.make(Torrent.pieceLengthFor(bytes.length), () => {
    const hash = Crypto.createHash("sha1")
    return { update: (chunk) => void hash.update(chunk), digest: () => hash.digest() }
  })
  pieces.update(bytes)
  const torrent = Torrent.make({
    name: Fixtures.name(name),
    version: Fixtures.version("1.0.0"),
    manifestLength,
    tarballLength: bytes.length - manifestLength,
    pieces: pieces.digest()
  })
  const own = Path.join(directory, torrent.name)
  Fs.mkdirSync(own, { recursive: true })
  Fs.writeFileSync(Path.join(own, torrent.manifest.path), bytes.subarray(0, manifestLength))
  Fs.writeFileSync(Path.join(own, torrent.tarball.path), bytes.subarray(manifestLength))
  return { info: torrent.info, directory: own }
}

/** In the repository, for what stays imported to be found. */
const PROGRAM = Path.resolve(import.meta.dirname, "../../.cache/bench/TransferPeer.mjs")

/** As it is published, in one file: what strips the types of a source file takes 60 MB. */
const bundle = Effect.promise(() =>
  Esbuild.build({
    entryPoints: [Path.join(import.meta.dirname, "TransferPeer.ts")],
    outfile: PROGRAM,
    bundle: true,
    platform: "node",
    format: "esm",
    external: ["torrent-stream"],
    // What is CommonJS inside asks for modules of Node this way.
    banner: { js: 'import { createRequire } from "node:module"; const require = createRequire(import.meta.url)' }
  })
)

const startPeer = Effect.acquireRelease(
  Effect.sync(() => fork(PROGRAM)),
  (child) => Effect.sync(() => child.kill())
)

const told = (child: ChildProcess, task: Task): Effect.Effect<unknown> =>
  Effect.callback((resume) => {
    child.once("message", (message) => resume(Effect.succeed(message)))
    child.once("exit", () => resume(Effect.die(new Error("A peer of the bench ended"))))
    child.send(task)
  })

const serve = Effect.fnUntraced(function* (releases: ReadonlyArray<Release>) {
  const torrents = releases.map(({ directory, info }) => ({ directory, info: Hex.encode(info) }))
  return String(yield* told(yield* startPeer, { kind: "serve", layer: "own", torrents, peers: [] }))
})

interface Fetch {
  readonly releases: ReadonlyArray<Release>
  readonly peers: ReadonlyArray<string>
  readonly layer?: Task["layer"]
}

const fetchBy = (child: ChildProcess, into: string, { layer = "own", peers, releases }: Fetch) =>
  told(child, {
    kind: "fetch",
    layer,
    torrents: releases.map(({ info }, i) => ({ directory: Path.join(into, String(i)), info: Hex.encode(info) })),
    peers
  }).pipe(Effect.flatMap(Schema.decodeUnknownEffect(Report)))

/** By a process that has fetched nothing before but `warmUp`. */
const fetch = Effect.fnUntraced(function* (directory: string, warmUp: Release, wanted: Fetch) {
  const into = Fs.mkdtempSync(Path.join(directory, "into-"))
  const child = yield* startPeer
  yield* fetchBy(child, Path.join(into, "warm-up"), { ...wanted, releases: [warmUp] })
  const report = yield* fetchBy(child, into, wanted)
  // Many go with the directory.
  if (wanted.releases.length === 1) Fs.rmSync(into, { recursive: true })
  return report
}, Effect.scoped)

const repeat = <A, E, R>(one: Effect.Effect<A, E, R>) => Effect.replicateEffect(one, ROUNDS)

const parse = (address: string) => {
  const [host = "", port = ""] = address.split(":")
  return { host, port: Number(port) }
}

const large = Effect.fnUntraced(function* (directory: string, warmUp: Release) {
  const release = write(directory, "large", Crypto.randomBytes(LARGE_BYTES))
  const seeders = yield* Effect.replicateEffect(serve([release, warmUp]), SEEDERS)
  const one = seeders.slice(0, 1)
  const far = yield* DelayRelay.make(parse(seeders[0]!), DELAY_MS)
  const from = (peers: ReadonlyArray<string>, layer: Task["layer"] = "own") =>
    fetch(directory, warmUp, { releases: [release], peers, layer })
  const isAria2There = Aria2.isThere()
  const byAria2 = (peers: ReadonlyArray<string>) =>
    Effect.promise(async () => {
      if (!isAria2There) return undefined
      const into = Fs.mkdtempSync(Path.join(directory, "aria2-"))
      const ms = await Aria2.fetch(into, release.info, peers)
      Fs.rmSync(into, { recursive: true })
      return ms
    })
  // In turn, so that what else the machine does befalls all of them.
  const rounds = yield* repeat(
    Effect.gen(function* () {
      const fromOne = yield* from(one)
      const aria2One = yield* byAria2(one)
      const fromFour = yield* from(seeders)
      const aria2Four = yield* byAria2(seeders)
      const fromFar = yield* from([far])
      const torrentStream = yield* from(one, "torrent-stream")
      return { fromOne, fromFour, fromFar, torrentStream, aria2One, aria2Four }
    })
  )
  /** `null` where aria2c is not installed. */
  const rate = (ms: (round: (typeof rounds)[number]) => number | undefined) => {
    const all = rounds.flatMap((round) => ms(round) ?? [])
    return all.length === 0 ? null : round(LARGE_BYTES / 1000 / median(all), 1)
  }
  return {
    oneSeederMBps: rate(({ fromOne }) => fromOne.ms),
    fourSeedersMBps: rate(({ fromFour }) => fromFour.ms),
    aria2MBps: rate(({ aria2One }) => aria2One),
    aria2FourSeedersMBps: rate(({ aria2Four }) => aria2Four),
    rtt50MBps: rate(({ fromFar }) => fromFar.ms),
    /** The second layer, from one seeder. */
    torrentStreamMBps: rate(({ torrentStream }) => torrentStream.ms),
    /** Of the downloading process, most of all rounds from one and from four. */
    rssMb: round(Math.max(...rounds.flatMap(({ fromFour, fromOne }) => [fromOne.rssMb, fromFour.rssMb])), 0),
    /** Of the downloading process: what can be compared where the machine is busy with other things. */
    cpuMs: round(median(rounds.map(({ fromOne }) => fromOne.cpuMs)), 0)
  }
})

const small = Effect.fnUntraced(function* (directory: string, warmUp: Release) {
  const releases = Array.from({ length: SMALL_COUNT }, (_, i) =>
    write(directory, `small-${i}`, Crypto.randomBytes(SMALL_BYTES))
  )
  const peers = [yield* serve([...releases, warmUp])]
  const single = yield* repeat(fetch(directory, warmUp, { releases: releases.slice(0, 1), peers }))
  const many = yield* repeat(fetch(directory, warmUp, { releases, peers }))
  return {
    firstByteMs: round(median(single.map(({ firstMs }) => firstMs)), 1),
    wholeMs: round(median(single.map(({ ms }) => ms)), 1),
    releases300Ms: round(median(many.map(({ ms }) => ms)), 0),
    cpuMs: round(median(many.map(({ cpuMs }) => cpuMs)), 0)
  }
})

const run = Effect.gen(function* () {
  yield* bundle
  const directory = Scratch.make()
  const warmUp = write(directory, "warm-up", Crypto.randomBytes(SMALL_BYTES))
  return {
    large: yield* Effect.scoped(large(directory, warmUp)),
    small: yield* Effect.scoped(small(directory, warmUp))
  }
})

export const transfers = () => Effect.runPromise(Effect.scoped(run))
