/** What stands between the client and the nodes of the model: whom a member knows, what it lets through, what is shared. */
import { assert, describe, it } from "@effect/vitest"
import type * as Client from "../../../../../src/protocol/dht/client/Krpc.ts"
import type { NodeId } from "../../../../../src/protocol/dht/client/NodeId.ts"
import type { Transport } from "../../../../../src/protocol/dht/client/Transport.ts"
import { Chance } from "../../../../../src/protocol/testing/simulation/Chance.ts"
import { Kernel } from "../../../../../src/protocol/testing/simulation/Kernel.ts"
import * as Ids from "../../../../../src/protocol/testing/simulation/model/Ids.ts"
import {
  type Answer,
  type KrpcMessage,
  type Question,
  textOf
} from "../../../../../src/protocol/testing/simulation/model/Krpc.ts"
import * as ModelTransport from "../../../../../src/protocol/testing/simulation/model/ModelTransport.ts"
import * as StoredItem from "../../../../../src/protocol/testing/simulation/model/StoredItem.ts"
import { QUERY_TIMEOUT_MS, Transactions } from "../../../../../src/protocol/testing/simulation/model/Transactions.ts"
import { Trace } from "../../../../../src/protocol/testing/simulation/Trace.ts"
import { Weather } from "../../../../../src/protocol/testing/simulation/Weather.ts"
import { Wire } from "../../../../../src/protocol/testing/simulation/Wire.ts"
import { recordOf } from "../ModelNetwork.ts"

const NODE = "10.0.0.1:6881"
const MINUTE_MS = 60_000

const chance = Chance.of("transport")
const id: NodeId = Ids.random(chance)
const found = { _tag: "Found", id, token: undefined, nodes: [], item: undefined, peers: [] } as const

/** A member, and a node that answers what it is told. */
const setUp = (answer: (question: Question) => Answer | undefined = () => found) => {
  const kernel = new Kernel(chance.fork("kernel"))
  const wire = new Wire<KrpcMessage>(kernel, new Weather(kernel, chance.fork("weather")), new Trace("none"), textOf)
  const asked: Array<Question> = []
  wire.attach({
    name: "node",
    address: NODE,
    receive: (message, from) => {
      if (message._tag !== "Query") return
      asked.push(message.question)
      const said = answer(message.question)
      if (said === undefined) return
      wire.send({ name: "node", address: NODE }, from, {
        _tag: "Reply",
        transaction: message.transaction,
        answer: said
      })
    }
  })
  const process = kernel.process("alice")
  const transport: Transport = ModelTransport.make({
    transactions: new Transactions(wire, { name: "alice", host: "10.1.0.1", process }, chance.fork("alice")),
    process,
    now: () => kernel.now,
    bootstrap: () => [NODE],
    items: new StoredItem.Shared()
  })
  /** What the member hears; `undefined` is silence. */
  const ask = (question: Client.Question) => {
    const heard: Array<Client.Answer | undefined> = []
    transport.ask(NODE, question, (said) => {
      assert.isTrue(said === undefined || said._tag === "Found" || said._tag === "Refused")
      heard.push(said as Client.Answer | undefined)
    })
    assert.lengthOf(heard, 0, "nothing is heard at once")
    kernel.run(() => heard.length > 0, Infinity)
    return heard[0]
  }
  const pass = (ms: number) => {
    let isOver = false
    kernel.after(ms, () => void (isOver = true))
    kernel.run(() => isOver, Infinity)
  }
  return { asked, ask, kernel, pass, transport }
}

const itemIn = (answer: Client.Answer | undefined): Client.GivenItem | undefined =>
  answer?._tag === "Found" ? answer.item : undefined

describe("ModelTransport: what is heard", () => {
  const target = StoredItem.mutable(recordOf("a", 1)).target
  const get = { _tag: "Get", target } as const

  it("is the very object that the node holds", () => {
    const item = StoredItem.mutable(recordOf("a", 1))
    const { ask } = setUp(() => ({ ...found, item }))
    assert.strictEqual(itemIn(ask(get)), item)
  })

  it("is no more than fits the wire", () => {
    const many = Array.from({ length: 200 }, (_, at) => ({ id: Ids.beside(id, at), address: `10.2.0.1:${at + 1}` }))
    const peers = many.map(({ address }) => address)
    const heard = setUp(() => ({ ...found, nodes: many, peers })).ask(get)
    if (heard?._tag !== "Found") throw new Error("nothing found")
    assert.lengthOf(heard.nodes, 16)
    assert.lengthOf(heard.peers, 128)
  })

  it("is no item where that breaks a limit, and a foreign one where only ours is broken", () => {
    const item = StoredItem.mutable(recordOf("a", 1))
    const itemHeard = (change: Partial<StoredItem.MutableItem>) =>
      itemIn(setUp(() => ({ ...found, item: { ...item, ...change } })).ask(get))?._tag
    assert.strictEqual(itemHeard({ value: new Uint8Array(996) }), "Mutable")
    assert.strictEqual(itemHeard({ value: new Uint8Array(997) }), "Foreign")
    assert.strictEqual(itemHeard({ value: new Uint8Array(1_000) }), "Foreign")
    assert.isUndefined(itemHeard({ value: new Uint8Array(1_001) }))
    for (const seq of [-1, 1.5, 2 ** 53]) assert.isUndefined(itemHeard({ seq }))
  })

  it("is nothing after the time that a question waits", () => {
    const { ask, kernel } = setUp(() => undefined)
    const before = kernel.now
    assert.isUndefined(ask(get))
    assert.strictEqual(kernel.now - before, QUERY_TIMEOUT_MS)
  })
})

describe("ModelTransport: what is put", () => {
  const put = (record: ReturnType<typeof recordOf>): Client.PutMutable => {
    const { publicKey, salt, seq, signature, value } = record
    const { target } = StoredItem.mutable(record)
    return { _tag: "PutMutable", target, token: new Uint8Array(4), publicKey, salt, seq, signature, value, cas: 3 }
  }

  it("is one object, however often, as long as its bytes stay", () => {
    const { ask, asked } = setUp(() => ({ _tag: "Stored", id }))
    const question = put(recordOf("a", 1))
    for (let i = 0; i < 3; i++) assert.strictEqual(ask(question)?._tag, "Found")
    const puts = () => asked.filter((each) => each._tag === "Put")
    const [first] = puts()
    assert.strictEqual(new Set(puts().map(({ item }) => item)).size, 1)
    assert.deepInclude(first, { token: question.token, cas: 3 })
    question.value[0]! ^= 1
    ask(question)
    const last = puts().at(-1)
    assert.notStrictEqual(last?.item, first?.item)
    assert.strictEqual(last?.item.value[0], question.value[0])
  })
})

describe("ModelTransport: whom a member knows", () => {
  const contact = { id, address: NODE }

  it("is who answered, until it is silent or somebody else answers there", () => {
    const { pass, transport } = setUp()
    assert.strictEqual(transport.nodeCount(), 0)
    transport.noteAnswer(contact)
    assert.deepStrictEqual(transport.closest(id, 20), [contact])
    transport.noteSilence(contact)
    assert.deepStrictEqual(transport.closest(id, 20), [])
    assert.deepStrictEqual(transport.faded(), [contact])
    assert.strictEqual(transport.nodeCount(), 1, "it has been silent for a moment only")
    pass(15 * MINUTE_MS)
    assert.strictEqual(transport.nodeCount(), 0)
    transport.noteAnswer(contact)
    transport.noteImpostor({ ...contact, id: Ids.beside(id, 1) })
    assert.strictEqual(transport.nodeCount(), 1, "that was said of another id")
    transport.noteImpostor(contact)
    assert.strictEqual(transport.nodeCount(), 0)
    assert.deepStrictEqual(transport.faded(), [])
  })
})
