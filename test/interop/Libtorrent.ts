/**
 * A DHT node of libtorrent as a process of its own, driven over JSON lines (libtorrent_node.py): what most of
 * the network runs, and therefore what ours must get on with. Every answer comes when libtorrent says that it
 * is done; nothing here waits by the clock.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Semaphore from "effect/Semaphore"
import { type ChildProcess, spawn } from "node:child_process"
import * as Path from "node:path"
import * as Readline from "node:readline"
import * as Bencode from "../../src/protocol/core/Bencode.ts"

/** Debian's packages are for Debian's own Python. */
export const PYTHON = "/usr/bin/python3"

const program = Path.join(import.meta.dirname, "libtorrent_node.py")

/** The process ended, or said what it should not. */
export class LibtorrentFailed extends Schema.TaggedError<LibtorrentFailed>()("LibtorrentFailed", {
  problem: Schema.String
}) {
  override get message() {
    return `The libtorrent node failed: ${this.problem}`
  }
}

export interface Options {
  /** 127.0.0.1 by default. */
  readonly host?: string
  readonly bootstrap?: ReadonlyArray<string>
  /** libtorrent's own names, over those without which it does nothing on loopback. */
  readonly settings?: Readonly<Record<string, boolean | number>>
}

/** A key whose seed is known, as libtorrent signs with it. */
export interface Key {
  readonly seed: Uint8Array
  readonly publicKey: Uint8Array
}

const Stored = Schema.Struct({ stored: Schema.Int, seq: Schema.Int, target: Schema.Uint8ArrayFromHex })

const Given = Schema.Struct({ value: Schema.NullOr(Schema.Uint8ArrayFromHex), text: Schema.String })

const GivenMutable = Schema.Struct({ ...Given.fields, seq: Schema.Int, signature: Schema.Uint8ArrayFromHex })

const Peers = Schema.Struct({ peers: Schema.Array(Schema.String) })

const Told = Schema.Struct({ told: Schema.Int })

const Nodes = Schema.Struct({ nodes: Schema.Int })

const Packets = Schema.Struct({
  packets: Schema.Array(Schema.Struct({ in: Schema.Boolean, address: Schema.String, bytes: Schema.Uint8ArrayFromHex }))
})

const Line = Schema.fromJsonString(
  Schema.Union([
    Schema.Struct({ ready: Schema.Struct({ host: Schema.String, port: Schema.Int, version: Schema.String }) }),
    Schema.Struct({ id: Schema.Int, result: Schema.Unknown })
  ])
)

/** A packet that this node got from the other at the address, or sent there. */
export interface Packet {
  readonly isIncoming: boolean
  readonly address: string
  readonly message: Bencode.Dictionary
}

type Arguments = Readonly<Record<string, string | number>>

const isDictionary = (value: Bencode.Value): value is Bencode.Dictionary =>
  typeof value === "object" && !Array.isArray(value) && !(value instanceof Uint8Array)

/** The message in a datagram; dies of one that is none. */
export const messageOf = (bytes: Uint8Array): Bencode.Dictionary => {
  const message = Result.getOrThrow(Bencode.decode(bytes, { canonicalKeys: false }))
  if (!isDictionary(message)) throw new TypeError("a KRPC message is a dictionary")
  return message
}

const launch = (options: Options) =>
  Effect.acquireRelease(
    Effect.sync(() =>
      spawn(PYTHON, ["-W", "ignore", program, JSON.stringify(options)], { stdio: ["pipe", "pipe", "pipe"] })
    ),
    (child) =>
      Effect.callback<void>((resume) => {
        if (child.exitCode !== null || child.signalCode !== null) return resume(Effect.void)
        child.on("close", () => resume(Effect.void))
        child.stdin.end()
      })
  )

/** Starts a node, which is up when it has met the nodes that it starts from. It ends with the scope. */
export const start = Effect.fn("Libtorrent.start")(function* (options: Options = {}) {
  const child = yield* launch(options)
  const ready = yield* Deferred.make<{ readonly host: string; readonly port: number; readonly version: string }>()
  const failed = yield* Deferred.make<never, LibtorrentFailed>()
  const answers = new Map<number, (result: unknown) => void>()
  const fail = (problem: string) => Deferred.doneUnsafe(failed, Effect.fail(new LibtorrentFailed({ problem })))
  let complaint = ""
  child.stderr.setEncoding("utf8").on("data", (text: string) => (complaint += text))
  child.on("close", (code) => fail(complaint.trim() || `it ended with ${code}`))
  Readline.createInterface({ input: child.stdout }).on("line", (text) => {
    const line = Schema.decodeUnknownOption(Line)(text)
    if (Option.isNone(line)) return fail(`it said ${text}`)
    if ("ready" in line.value) return Deferred.doneUnsafe(ready, Effect.succeed(line.value.ready))
    const answer = answers.get(line.value.id)
    answers.delete(line.value.id)
    answer?.(line.value.result)
  })

  let commands = 0
  const orFailed = <A>(effect: Effect.Effect<A, LibtorrentFailed>) => Effect.raceFirst(effect, Deferred.await(failed))
  const ask = <S extends Schema.Codec<unknown, unknown>>(schema: S, command: string, args: Arguments) =>
    Effect.callback<unknown>((resume) => {
      const id = commands++
      answers.set(id, (result) => resume(Effect.succeed(result)))
      send(child, { do: command, id, ...args })
    }).pipe(
      orFailed,
      Effect.flatMap((result) =>
        Effect.mapError(
          Schema.decodeUnknownEffect(schema)(result),
          (error) => new LibtorrentFailed({ problem: `${command}: ${error.message}` })
        )
      )
    )
  const { host, port, version } = yield* orFailed(Deferred.await(ready))

  // libtorrent reports an item under its key alone where the salt is not UTF-8: one at a time can be told apart.
  const oneByOne = yield* Semaphore.make(1)

  return {
    address: `${host}:${port}`,
    version,
    /** Puts under the sequence number after the one that it finds. `stored` counts the nodes that took it. */
    putMutable: (key: Key, salt: Uint8Array, value: Uint8Array) =>
      oneByOne.withPermits(1)(
        ask(Stored, "put_mutable", {
          seed: Hex.encode(key.seed),
          publicKey: Hex.encode(key.publicKey),
          salt: Hex.encode(salt),
          value: Hex.encode(value)
        })
      ),
    /** Without a `value` where nothing was found, and where the value is no byte string, which only `text` then shows. */
    getMutable: (publicKey: Uint8Array, salt: Uint8Array) =>
      oneByOne.withPermits(1)(
        ask(GivenMutable, "get_mutable", { publicKey: Hex.encode(publicKey), salt: Hex.encode(salt) })
      ),
    /** Any value, by its bencoded form. */
    putImmutable: (value: Bencode.Value) =>
      ask(Stored, "put_immutable", { bencoded: Hex.encode(Bencode.encode(value)) }),
    getImmutable: (target: Uint8Array) => ask(Given, "get_immutable", { target: Hex.encode(target) }),
    getPeers: (infohash: Uint8Array) =>
      Effect.map(ask(Peers, "get_peers", { infohash: Hex.encode(infohash) }), ({ peers }) => peers),
    /** Announces its own address; gives how many nodes it told, all of which have answered. */
    announce: (infohash: Uint8Array) =>
      Effect.map(ask(Told, "announce", { infohash: Hex.encode(infohash) }), ({ told }) => told),
    /** Nodes in its routing table. */
    nodeCount: Effect.map(ask(Nodes, "nodes", {}), ({ nodes }) => nodes),
    /** What it exchanged so far, in order. */
    packets: Effect.map(ask(Packets, "exchanged", {}), ({ packets }) =>
      packets.map((each): Packet => ({
        isIncoming: each.in,
        address: each.address,
        message: messageOf(each.bytes)
      }))
    )
  }
})

const send = (child: ChildProcess, command: unknown): void => {
  child.stdin?.write(`${JSON.stringify(command)}\n`)
}

export type LibtorrentNode = Effect.Success<ReturnType<typeof start>>
