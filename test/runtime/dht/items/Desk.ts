/** An `ItemServer` behind the guard without any socket: datagrams go in under any address, replies come out. */
import { randomBytes } from "node:crypto"
import {
  asBytes,
  asDictionary,
  type Dictionary,
  loose,
  type Loose,
  read,
  STRANGER_ID,
  text,
  verify
} from "../LiveNode.ts"
import * as ItemServer from "../../../../src/runtime/dht/items/ItemServer.ts"
import * as ItemStore from "../../../../src/runtime/dht/items/ItemStore.ts"
import * as KrpcGuard from "../../../../src/runtime/dht/KrpcGuard.ts"
import { TestTime } from "./Items.ts"

export const OWN_ID = text("own-id-0123456789abc")

export const NEIGHBOURS = Array.from({ length: 20 }, (_, i) => ({
  id: new Uint8Array(20).fill(i),
  host: `192.0.2.${i + 1}`,
  port: 6_881 + i
}))

export type Args = { readonly [name: string]: Loose }

export class Desk {
  readonly time = new TestTime()
  readonly store: ItemStore.ItemStore
  readonly server: ItemServer.ItemServer
  checks = 0
  /** Of the reply last given. */
  lastBytes = 0

  constructor(options: Partial<ItemStore.Options> = {}) {
    const check = (signature: Uint8Array, message: Uint8Array, publicKey: Uint8Array) => {
      this.checks++
      return verify(signature, message, publicKey)
    }
    this.store = ItemStore.make({ now: this.time.now, verify, ownId: OWN_ID, ...options })
    this.server = ItemServer.make({
      store: this.store,
      verify: check,
      now: this.time.now,
      randomBytes,
      ownId: () => OWN_ID,
      closest: (_, count) => NEIGHBOURS.slice(0, count)
    })
  }

  /** What the guard or the server answers; throws where both are silent. */
  ask(q: string, a: Args, from = "127.0.0.1:4000", t: Uint8Array = text("ask")): Dictionary {
    const verdict = KrpcGuard.inspect(loose({ a: { id: STRANGER_ID, ...a }, q: text(q), t, y: text("q") }))
    if (verdict._tag === "Answer") return read(verdict.reply)
    if (verdict._tag !== "Accept" || verdict.message._tag !== "Query") throw new Error(`the guard says ${verdict._tag}`)
    const [address = "", port] = from.split(":")
    const reply = this.server.serve(verdict.message, { address, port: Number(port) })
    if (reply === undefined) throw new Error(`nothing answers ${q}`)
    this.lastBytes = reply.length
    return read(reply)
  }

  get(target: Uint8Array, seq?: number, from?: string): Dictionary {
    return asDictionary(this.ask("get", { target, ...(seq === undefined ? {} : { seq }) }, from)["r"])
  }

  token(from?: string): Uint8Array {
    return asBytes(this.get(STRANGER_ID, undefined, from)["token"])
  }

  put(a: Args, from?: string): Dictionary {
    return this.ask("put", { token: this.token(from), ...a }, from)
  }

  count(event: ItemServer.Event): number {
    return this.server.counters().get(event) ?? 0
  }
}
