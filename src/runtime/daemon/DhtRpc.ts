/**
 * What a daemon offers over its socket: the whole `Dht` service, who it is, and how it does. The
 * other end is another process, so nothing is taken on its word: what is too long is refused by the
 * schemas, and a record travels as the signed envelope that it is, to be verified again on arrival.
 */
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Rpc from "effect/rpc/Rpc"
import * as RpcGroup from "effect/rpc/RpcGroup"
import { Infohash } from "../../protocol/core/Infohash.ts"
import { PeerAddress } from "../../protocol/core/PeerAddress.ts"
import { PublicKey } from "../../protocol/core/PublicKey.ts"
import { type Answer, type Holders, type LookupOptions, type PutReceipt, RIVALS_MAX } from "../../protocol/dht/Dht.ts"
import { DhtError } from "../../protocol/dht/DhtError.ts"
import { Salt } from "../../protocol/dht/KeyString.ts"
import { VALUE_MAX_BYTES } from "../../protocol/dht/Record.ts"
import * as Errand from "./Errand.ts"

/** Spoken by both ends or not at all: a command of another version runs a node of its own. */
export const PROTOCOL_VERSION = 1

/** Bencoded `{k, salt, seq, sig, v}`: 32 + 64 + 64 + 996 bytes, a number, and what is around them. */
export const ENVELOPE_MAX_BYTES = 1280

/** SHA-1. */
const TARGET_BYTES = 20

/** `host:port` of IPv4 or IPv6, or a name: what a node can be called. */
const NODE_MAX_CHARS = 300

/** Nodes that one answer speaks of. A look-up asks some hundred at most. */
export const ANSWER_NODES_MAX = 2048

/** Peers of one infohash that are handed on; at 40 bytes each they fit in a frame. */
export const ANSWER_PEERS_MAX = 8192

/** All metrics of a process: some hundred lines. */
const METRICS_MAX_CHARS = 512 * 1024

/** What a node says with a refusal. */
const TEXT_MAX_CHARS = 1024

/** `--bootstrap` with more nodes than this names no network that a daemon would be asked about. */
const BOOTSTRAP_MAX = 256

const atMost = (maximum: number) =>
  Schema.makeFilter((bytes: Uint8Array) => bytes.length <= maximum || `at most ${maximum} bytes`)
const Count = Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))
const Node = Schema.String.check(Schema.isMaxLength(NODE_MAX_CHARS))
const Nodes = Schema.Array(Node).check(Schema.isMaxLength(ANSWER_NODES_MAX))
const Millis = Schema.Finite.check(Schema.isGreaterThanOrEqualTo(0))
const Value = Schema.Uint8Array.check(atMost(VALUE_MAX_BYTES))
const Envelope = Schema.Uint8Array.check(atMost(ENVELOPE_MAX_BYTES))
const Target = Schema.Uint8Array.check(
  Schema.makeFilter((bytes: Uint8Array) => bytes.length === TARGET_BYTES || `${TARGET_BYTES} bytes`)
).pipe(Schema.brand("Target"))

/** As `LookupOptions`, in ms. */
const Options = Schema.Struct({
  timeoutMs: Schema.optionalKey(Millis),
  freshnessMs: Schema.optionalKey(Millis),
  enough: Schema.optionalKey(Count)
})

/** A place for records. */
const Place = { publicKey: PublicKey, salt: Salt }

const answer = <S extends Schema.Top>(value: S) => {
  const few = Schema.Array(value).check(Schema.isMaxLength(RIVALS_MAX))
  return Schema.Struct({
    value: Schema.optionalKey(value),
    responders: Nodes,
    rivals: Schema.optionalKey(few),
    older: Schema.optionalKey(few),
    isForeign: Schema.optionalKey(Schema.Boolean),
    asked: Schema.optionalKey(Count),
    answered: Schema.optionalKey(Count)
  })
}

const Refusal = Schema.Struct({
  node: Node,
  reason: Schema.Literals([
    "cas-mismatch",
    "seq-too-low",
    "value-too-big",
    "invalid-signature",
    "salt-too-big",
    "protocol",
    "other"
  ]),
  code: Schema.Finite,
  text: Schema.String
})

const Receipt = Schema.Struct({
  target: Target,
  acks: Count,
  networks: Count,
  asked: Count,
  stored: Nodes,
  refused: Schema.Array(Refusal).check(Schema.isMaxLength(ANSWER_NODES_MAX)),
  silent: Nodes
})

const Held = Schema.Struct({
  holders: Schema.Array(Schema.Struct({ node: Node, seq: Count })).check(Schema.isMaxLength(ANSWER_NODES_MAX)),
  asked: Count,
  answered: Count
})

/** Which DHT a process is in: the public one, or the one that these nodes lead into. */
export const Network = Schema.Struct({
  isPublic: Schema.Boolean,
  /** `host:port`, `localhost` as 127.0.0.1, sorted, each once; empty for the public DHT, however it is entered. */
  bootstrap: Schema.Array(Node).check(Schema.isMaxLength(BOOTSTRAP_MAX))
})
export type Network = typeof Network.Type

/** The one name that means the same everywhere, as the number that it stands for. */
const numbered = (node: string): string => node.replace(/^localhost:/i, "127.0.0.1:")

/** {@link Network} from what a command was told. */
export const networkOf = (settings: {
  readonly isPublic: boolean
  readonly bootstrap: ReadonlyArray<string>
}): Network => ({
  isPublic: settings.isPublic,
  bootstrap: settings.isPublic ? [] : [...new Set(settings.bootstrap.map(numbered))].toSorted().slice(0, BOOTSTRAP_MAX)
})

/**
 * Whether two processes mean the same DHT: a node is in one, so whoever enters by one that the other
 * enters by, too, comes to the same.
 */
export const isSameNetwork = (self: Network, that: Network): boolean =>
  self.isPublic === that.isPublic && (self.isPublic || self.bootstrap.some((node) => that.bootstrap.includes(node)))

/** For people. */
export const networkText = ({ bootstrap, isPublic }: Network): string =>
  isPublic ? "the public DHT" : `the DHT of ${bootstrap.join(", ")}`

/** Who serves a socket. */
export const Hello = Schema.Struct({
  protocol: Count,
  /** Of the product, such as `0.1.0`. */
  version: Schema.String.check(Schema.isMaxLength(TEXT_MAX_CHARS)),
  pid: Schema.Int.check(Schema.isGreaterThan(0)),
  /** The command that it runs: `daemon` or `seed`. */
  command: Schema.String.check(Schema.isMaxLength(TEXT_MAX_CHARS)),
  network: Network,
  /** DHT nodes that it knows. */
  nodes: Count
})
export type Hello = typeof Hello.Type

/** How a daemon does. Counts are since it started. */
export const Status = Schema.Struct({
  upMs: Millis,
  /** Open connections, the asking one among them. */
  connections: Count,
  /** Connections that were turned away or cut off. */
  dropped: Count,
  /** What it was asked. */
  questions: Count,
  /** How its node takes part. */
  mode: Schema.Literals(["client", "adaptive", "server"]),
  /** What its node is at the moment. */
  role: Schema.Literals(["client", "server"]),
  /** `host:port` of its UDP socket, while it has one. */
  address: Schema.optionalKey(Node)
})
export type Status = typeof Status.Type

const lookupPayload = { ...Place, options: Options }
const immutablePayload = { target: Target, options: Options }
const RecordAnswer = answer(Envelope)
const ValueAnswer = answer(Value)
const MinAcks = { minAcks: Schema.optionalKey(Count) }

/** How an errand ended; `null` where it has to be run by a process of its own. */
const Done = Schema.NullOr(
  Schema.Struct({
    code: Count,
    stdout: Schema.String.check(Schema.isMaxLength(Errand.OUTPUT_MAX_CHARS)),
    stderr: Schema.String.check(Schema.isMaxLength(Errand.OUTPUT_MAX_CHARS))
  })
)

/** One call for each member of `Dht`, and five about the daemon itself. `hello` comes first on every connection. */
export const DhtRpc = RpcGroup.make(
  Rpc.make("hello", { payload: { protocol: Count }, success: Hello }),
  Rpc.make("status", { success: Status }),
  /** In the text format of Prometheus. */
  Rpc.make("metrics", { success: Schema.String.check(Schema.isMaxLength(METRICS_MAX_CHARS)) }),
  /** Answers whether it ends now. */
  Rpc.make("stop", { success: Schema.Boolean }),
  /** Runs a command of this version of the product, with its home, an absolute path. */
  Rpc.make("errand", {
    payload: {
      version: Schema.String.check(Schema.isMaxLength(TEXT_MAX_CHARS)),
      home: Schema.String.check(Schema.isMaxLength(Errand.ARGUMENTS_MAX_CHARS)),
      args: Schema.Array(Schema.String.check(Schema.isMaxLength(Errand.ARGUMENTS_MAX_CHARS))).check(
        Schema.isMaxLength(Errand.ARGUMENTS_MAX)
      )
    },
    success: Done
  }),
  Rpc.make("lookup", { payload: lookupPayload, success: RecordAnswer, error: DhtError }),
  Rpc.make("get", { payload: lookupPayload, success: Schema.NullOr(Envelope), error: DhtError }),
  Rpc.make("holders", { payload: Place, success: Held, error: DhtError }),
  Rpc.make("put", {
    payload: { record: Envelope, cas: Schema.optionalKey(Count), ...MinAcks },
    success: Receipt,
    error: DhtError
  }),
  Rpc.make("lookupImmutable", { payload: immutablePayload, success: ValueAnswer, error: DhtError }),
  Rpc.make("getImmutable", { payload: immutablePayload, success: Schema.NullOr(Value), error: DhtError }),
  Rpc.make("holdersImmutable", { payload: { target: Target }, success: Held, error: DhtError }),
  // The value may be too long: that is for the DHT to say, with its own error.
  Rpc.make("putImmutable", { payload: { value: Schema.Uint8Array, ...MinAcks }, success: Receipt, error: DhtError }),
  Rpc.make("announcePeer", {
    payload: { infohash: Infohash, port: PeerAddress.fields.port },
    success: Count,
    error: DhtError
  }),
  Rpc.make("findPeers", {
    payload: { infohash: Infohash },
    success: Schema.Array(PeerAddress).check(Schema.isMaxLength(ANSWER_PEERS_MAX)),
    error: DhtError
  }),
  Rpc.make("nodeCount", { success: Count })
)

const millisOf = (input: Duration.Input): number => Math.min(Number.MAX_SAFE_INTEGER, Duration.toMillis(input))

/** `LookupOptions` as they travel. */
export const optionsTo = (options: LookupOptions | undefined): typeof Options.Type => ({
  ...(options?.timeout === undefined ? {} : { timeoutMs: millisOf(options.timeout) }),
  ...(options?.freshness === undefined ? {} : { freshnessMs: millisOf(options.freshness) }),
  ...(options?.enough === undefined ? {} : { enough: options.enough })
})

/** `LookupOptions` as they arrive. */
export const optionsFrom = (options: typeof Options.Type): LookupOptions => ({
  ...(options.timeoutMs === undefined ? {} : { timeout: Duration.millis(options.timeoutMs) }),
  ...(options.freshnessMs === undefined ? {} : { freshness: Duration.millis(options.freshnessMs) }),
  ...(options.enough === undefined ? {} : { enough: options.enough })
})

type Sent<A> = Omit<Answer<A>, "value"> & { readonly value?: A }

/** An `Answer` as it travels, over values as they travel; lists too long for a frame are cut. */
export const answerTo = <A, B>(from: Answer<A>, value: (value: A) => B): Sent<B> => ({
  ...(Option.isSome(from.value) ? { value: value(from.value.value) } : {}),
  responders: from.responders.slice(0, ANSWER_NODES_MAX),
  ...(from.rivals === undefined ? {} : { rivals: from.rivals.slice(0, RIVALS_MAX).map(value) }),
  ...(from.older === undefined ? {} : { older: from.older.slice(0, RIVALS_MAX).map(value) }),
  ...(from.isForeign === undefined ? {} : { isForeign: from.isForeign }),
  ...(from.asked === undefined ? {} : { asked: from.asked }),
  ...(from.answered === undefined ? {} : { answered: from.answered })
})

/** A receipt as it travels; lists too long for a frame are cut. */
export const receiptTo = (receipt: PutReceipt): typeof Receipt.Type => ({
  target: receipt.target,
  acks: receipt.acks,
  networks: receipt.networks,
  asked: receipt.asked,
  stored: receipt.stored.slice(0, ANSWER_NODES_MAX),
  refused: receipt.refused
    .slice(0, ANSWER_NODES_MAX)
    .map(({ code, node, reason, text }) => ({ node, reason, code, text: text.slice(0, TEXT_MAX_CHARS) })),
  silent: receipt.silent.slice(0, ANSWER_NODES_MAX)
})

/** Holders as they travel; a list too long for a frame is cut. */
export const holdersTo = ({ answered, asked, holders }: Holders): typeof Held.Type => ({
  holders: holders.slice(0, ANSWER_NODES_MAX),
  asked,
  answered
})
