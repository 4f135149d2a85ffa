/**
 * KRPC by hand (BEP 5, BEP 44): one socket that asks one node one thing, to see what a node itself accepts and
 * holds, with no client in between that would have refused to send it.
 *
 * A node that stays silent is told from a slow one by a ping sent after: datagrams on loopback keep their order.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Dgram from "node:dgram"
import * as Bencode from "../../src/protocol/core/Bencode.ts"
import { sha1 } from "../../src/protocol/core/Digest.ts"
import * as Record from "../../src/protocol/dht/Record.ts"
import * as Libtorrent from "./Libtorrent.ts"

/** What a node made of a query: its reply, a KRPC error (BEP 5 "Errors"), or no answer. */
export type Outcome = Bencode.Dictionary | number | "silence"

/** How a put ended, for a table: `stored`, the number of the error, or `silence`. */
export type Verdict = "stored" | number | "silence"

const OWN_ID = sha1(new TextEncoder().encode("a client without a node"))

const open = Effect.acquireRelease(
  Effect.callback<Dgram.Socket>((resume) => {
    const socket = Dgram.createSocket("udp4")
    socket.bind(0, "127.0.0.1", () => resume(Effect.succeed(socket)))
  }),
  (socket) => Effect.callback<void>((resume) => void socket.close(() => resume(Effect.void)))
)

const bytesOf = (value: Bencode.Value | undefined): Uint8Array | undefined =>
  value instanceof Uint8Array ? value : undefined

const isDictionary = (value: Bencode.Value | undefined): value is Bencode.Dictionary =>
  typeof value === "object" && !Array.isArray(value) && !(value instanceof Uint8Array)

const isList = (value: Bencode.Value | undefined): value is ReadonlyArray<Bencode.Value> => Array.isArray(value)

const outcomeOf = (message: Bencode.Dictionary): Outcome => {
  const { e, r } = message
  // libtorrent's errors carry an "r" too: what a message is, "e" says.
  if (e === undefined && isDictionary(r)) return r
  const code = isList(e) ? e[0] : undefined
  return typeof code === "number" ? code : "silence"
}

/** A client of the nodes at any address; its socket is closed with the scope. */
export const make = Effect.gen(function* () {
  const socket = yield* open
  let queries = 0

  /** Sends both at once, and gives the answer to the first, if it comes before that to the second. */
  const query = (address: string, method: string, args: Bencode.Dictionary) =>
    Effect.callback<Outcome>((resume) => {
      const [host = "", port = ""] = address.split(":")
      const asked = `q${queries++}`
      const after = `p${queries++}`
      const onMessage = (bytes: Buffer) => {
        const message = Libtorrent.messageOf(bytes)
        const id = Option.getOrElse(Bencode.text(bytesOf(message["t"]) ?? new Uint8Array()), () => "")
        if (message["y"] === undefined || (id !== asked && id !== after)) return
        socket.off("message", onMessage)
        resume(Effect.succeed(id === asked ? outcomeOf(message) : "silence"))
      }
      socket.on("message", onMessage)
      const send = (id: string, q: string, a: Bencode.Dictionary) =>
        socket.send(
          Bencode.encode({
            t: Bencode.utf8(id),
            y: Bencode.utf8("q"),
            q: Bencode.utf8(q),
            a: { id: OWN_ID, ...a },
            // BEP 43: this client answers nobody and must be in no table.
            ro: 1
          }),
          Number(port),
          host
        )
      send(asked, method, args)
      send(after, "ping", {})
      return Effect.sync(() => socket.off("message", onMessage))
    })

  const verdictOf = (outcome: Outcome): Verdict => (typeof outcome === "object" ? "stored" : outcome)

  return {
    query,
    /** What a node gives for a target: the reply of a `get`, an error or nothing. */
    get: (address: string, target: Uint8Array) => query(address, "get", { target }),
    /** Puts the fields as they are; `target` is where the node is asked for its token. */
    put: Effect.fnUntraced(function* (address: string, target: Uint8Array, fields: Bencode.Dictionary) {
      const reply = yield* query(address, "get", { target })
      const { id, token } = typeof reply === "object" ? reply : {}
      // libtorrent lists whoever has put all the same, unless it goes by libtorrent's own id.
      const args = { token: token ?? new Uint8Array(), id: id ?? OWN_ID, ...fields }
      return verdictOf(yield* query(address, "put", args))
    })
  }
})

/** The fields of a put of a mutable item with any value, and its target. */
export const signed = (
  pair: { readonly publicKey: Uint8Array; readonly sign: (message: Uint8Array) => Uint8Array },
  item: { readonly salt: Uint8Array; readonly seq: number; readonly value: Bencode.Value }
): { readonly target: Uint8Array; readonly fields: Bencode.Dictionary } => {
  const sig = pair.sign(Record.signedBytesOfAny(item.salt, item.seq, Bencode.encode(item.value)))
  return {
    target: sha1(Uint8Array.from([...pair.publicKey, ...item.salt])),
    fields: {
      k: pair.publicKey,
      seq: item.seq,
      sig,
      v: item.value,
      ...(item.salt.length === 0 ? {} : { salt: item.salt })
    }
  }
}
