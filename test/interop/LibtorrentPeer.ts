/**
 * A BitTorrent client of libtorrent as a process of its own, driven over JSON lines (libtorrent_peer.py). It finds peers
 * through the DHT alone. Every answer comes when libtorrent says that it is done.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { spawn } from "node:child_process"
import * as Path from "node:path"
import * as Readline from "node:readline"
import { LibtorrentFailed, PYTHON } from "./Libtorrent.ts"
import type { Wanted } from "./SwarmWorld.ts"

const program = Path.join(import.meta.dirname, "libtorrent_peer.py")

/** Encrypted with RC4 or not at all, either way: `pe_forced` and `pe_rc4` of libtorrent. */
export const FORCED = { in_enc_policy: 0, out_enc_policy: 0, allowed_enc_level: 2 }

const Got = Schema.Struct({ ms: Schema.Int })

const Made = Schema.Struct({ info: Schema.Uint8ArrayFromHex })

const Peers = Schema.Struct({
  peers: Schema.Array(Schema.Struct({ address: Schema.String, client: Schema.String, rc4: Schema.Boolean }))
})

const Line = Schema.fromJsonString(
  Schema.Union([
    Schema.Struct({ ready: Schema.Struct({ host: Schema.String, port: Schema.Int, version: Schema.String }) }),
    Schema.Struct({ id: Schema.Int, result: Schema.Unknown })
  ])
)

export interface Options {
  readonly bootstrap: ReadonlyArray<string>
  /** libtorrent's own names, over its defaults. */
  readonly settings?: Readonly<Record<string, boolean | number>>
}

const launch = (options: Options) =>
  Effect.acquireRelease(
    Effect.sync(() => spawn(PYTHON, ["-W", "ignore", program, JSON.stringify(options)])),
    (child) =>
      Effect.callback<void>((resume) => {
        if (child.exitCode !== null || child.signalCode !== null) return resume(Effect.void)
        child.on("close", () => resume(Effect.void))
        child.stdin.end()
      })
  )

/** Starts a client, which is up when it is in the DHT. It ends with the scope. */
export const start = Effect.fn("LibtorrentPeer.start")(function* (options: Options) {
  const child = yield* launch(options)
  const ready = yield* Deferred.make<{ readonly host: string; readonly port: number }>()
  const failed = yield* Deferred.make<never, LibtorrentFailed>()
  const answers = new Map<number, (result: unknown) => void>()
  const fail = (problem: string) => Deferred.doneUnsafe(failed, Effect.fail(new LibtorrentFailed({ problem })))
  let complaint = ""
  let commands = 0
  child.stderr.setEncoding("utf8").on("data", (text: string) => (complaint += text))
  child.on("close", (code) => fail(complaint.trim() || `it ended with ${code}`))
  Readline.createInterface({ input: child.stdout }).on("line", (text) => {
    const line = Option.getOrUndefined(Schema.decodeUnknownOption(Line)(text))
    if (line === undefined) return fail(`it said ${text}`)
    if ("ready" in line) return Deferred.doneUnsafe(ready, Effect.succeed(line.ready))
    answers.get(line.id)?.(line.result)
    answers.delete(line.id)
  })
  const ask = <S extends Schema.Codec<unknown, unknown>>(schema: S, command: string, args: object) =>
    Effect.callback<unknown>((resume) => {
      const id = commands++
      answers.set(id, (result) => resume(Effect.succeed(result)))
      child.stdin.write(`${JSON.stringify({ do: command, id, ...args })}\n`)
    }).pipe(Effect.raceFirst(Deferred.await(failed)), Effect.flatMap(Schema.decodeUnknownEffect(schema)), Effect.orDie)
  const { host, port } = yield* Effect.raceFirst(Deferred.await(ready), Deferred.await(failed))

  return {
    address: `${host}:${port}`,
    port,
    /** Downloads into the directory, or seeds what is there. Gives ms from being told to having everything. */
    get: (wanted: Wanted, directory: string) =>
      Effect.map(
        ask(
          Got,
          "get",
          typeof wanted === "string" ? { directory, magnet: wanted } : { directory, torrent: Hex.encode(wanted) }
        ),
        ({ ms }) => ms
      ),
    /** The info dictionary as libtorrent makes it of files in this order. */
    make: (options: {
      readonly directory: string
      readonly name: string
      readonly files: ReadonlyArray<readonly [string, number]>
      readonly pieceLength: number
    }) => Effect.map(ask(Made, "make", options), ({ info }) => info),
    /** Who it is connected to, and how. */
    peers: Effect.map(ask(Peers, "peers", {}), ({ peers }) => peers)
  }
})
