/**
 * A download or a seed of aria2 as a process of its own (Debian's aria2), which finds peers through the DHT alone. It
 * begins with a routing table, as every run but the first ever does: without one it looks for peers after six seconds.
 * It dials once in ten seconds, whatever it has heard of in between; its log tells when it did.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { spawn } from "node:child_process"
import { createHash } from "node:crypto"
import { mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { createSocket } from "node:dgram"
import { createServer } from "node:net"
import * as Path from "node:path"
import type { Wanted } from "./SwarmWorld.ts"

export class Aria2Failed extends Schema.TaggedError<Aria2Failed>()("Aria2Failed", { problem: Schema.String }) {
  override get message() {
    return `aria2 failed: ${this.problem}`
  }
}

/** Refuses what is not encrypted, either way. */
export const REQUIRE_CRYPTO = ["--bt-require-crypto=true"]

export interface Options {
  readonly bootstrap: ReadonlyArray<string>
  readonly wanted: Wanted
  /** Where the files are to go, or are. */
  readonly directory: string
  /** Arguments over aria2's defaults. */
  readonly settings?: ReadonlyArray<string>
}

/** A port that was free a moment ago: aria2 takes no 0. */
const freePort = Effect.callback<number>((resume) => {
  const server = createServer()
  server.listen(0, "127.0.0.1", () => {
    const bound = server.address()
    const port = typeof bound === "object" && bound !== null ? bound.port : 0
    server.close(() => resume(Effect.succeed(port)))
  })
})

/** The same of UDP. */
const freeUdpPort = Effect.callback<number>((resume) => {
  const socket = createSocket("udp4")
  socket.bind(0, "127.0.0.1", () => {
    const { port } = socket.address()
    socket.close(() => resume(Effect.succeed(port)))
  })
})

/** As `DHTRoutingTableSerializer` of aria2 writes it: a header, the time, its own id, and each node with its id. */
const routingTable = (nodes: ReadonlyArray<string>): Uint8Array => {
  const idOf = (text: string) => createHash("sha1").update(text).digest()
  const head = Buffer.alloc(56)
  head.set([0xa1, 0xa2, 0x02, 0, 0, 0, 0, 0x03])
  head.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 1000)), 8)
  head.set(idOf(`aria2 ${Math.random()}`), 24)
  head.writeUInt32BE(nodes.length, 48)
  const entries = nodes.map((node) => {
    const entry = Buffer.alloc(56)
    const [host = "", port] = node.split(":")
    entry[0] = 6
    entry.set(host.split(".").map(Number), 8)
    entry.writeUInt16BE(Number(port), 12)
    entry.set(idOf(node), 32)
    return entry
  })
  return Buffer.concat([head, ...entries])
}

const run = Effect.fnUntraced(function* (options: Options, more: ReadonlyArray<string>) {
  const { bootstrap, directory, settings = [], wanted } = options
  const [port, dhtPort] = [yield* freePort, yield* freeUdpPort]
  const state = Path.join(directory, `.aria2-${port}`)
  const [log, table, torrent] = ["log", "dht.dat", "wanted.torrent"].map((name) => Path.join(state, name))
  if (log === undefined || table === undefined || torrent === undefined) return yield* Effect.die("no paths")
  mkdirSync(state)
  writeFileSync(table, routingTable(bootstrap))
  if (typeof wanted !== "string") writeFileSync(torrent, wanted)
  const args = [
    "--no-conf",
    "--quiet=true",
    `--log=${log}`,
    "--log-level=info",
    "--enable-dht=true",
    `--dht-entry-point=${bootstrap[0]}`,
    `--dht-file-path=${table}`,
    `--dht-listen-port=${dhtPort}`,
    `--listen-port=${port}`,
    "--enable-dht6=false",
    "--bt-enable-lpd=false",
    "--interface=127.0.0.1",
    "--disable-ipv6=true",
    `--dir=${directory}`,
    ...more,
    ...settings,
    typeof wanted === "string" ? wanted : torrent
  ]
  const child = yield* Effect.acquireRelease(
    Effect.sync(() => spawn("aria2c", args, { stdio: "ignore" })),
    (child) =>
      Effect.callback<void>((resume) => {
        if (child.exitCode !== null || child.signalCode !== null) return resume(Effect.void)
        child.on("close", () => resume(Effect.void))
        child.kill("SIGKILL")
      })
  )
  return { child, port, log: () => readFileSync(log, "utf8") }
})

/** Milliseconds of the day at which the first or the last line with these words was logged. */
const loggedAt = (log: string, words: string, which: "first" | "last"): number | undefined => {
  const line = log
    .split("\n")
    .filter((line) => line.includes(words))
    .at(which === "first" ? 0 : -1)
  const [, hours, minutes, seconds] = /^\S+ (\d+):(\d+):([\d.]+) /.exec(line ?? "") ?? []
  return seconds === undefined ? undefined : (Number(hours) * 60 + Number(minutes)) * 60_000 + Number(seconds) * 1_000
}

/**
 * Downloads, and ends when it is done. Gives ms from dialling `from` for the last time (a magnet link takes two
 * connections) to having everything. That it has, aria2 notices a second later.
 */
export const download = Effect.fn("Aria2.download")(function* (options: Options, from: string) {
  const { child, log } = yield* run(options, ["--seed-time=0"])
  const code = yield* Effect.callback<number | null>((resume) => {
    child.on("close", (code) => resume(Effect.succeed(code)))
  })
  const text = log()
  if (code !== 0) {
    const errors = text.split("\n").filter((line) => line.includes("[ERROR]"))
    return yield* new Aria2Failed({ problem: [`it ended with ${code}`, ...errors].join("; ") })
  }
  const [dialled, done] = [
    loggedAt(text, `Connecting to ${from}`, "last"),
    loggedAt(text, "The download was complete", "last")
  ]
  return { ms: dialled === undefined || done === undefined ? undefined : Math.round(done - dialled), log: text }
}, Effect.scoped)

/** Checks and seeds what is in the directory, until the scope closes. Gives the port on which it listens. */
export const seed = Effect.fn("Aria2.seed")(function* (options: Options) {
  const { port } = yield* run(options, ["--seed-ratio=0.0", "--check-integrity=true"])
  return port
})
