import { assert, describe, it } from "@effect/vitest"
import * as Ids from "../../../../../src/protocol/testing/simulation/model/Ids.ts"
import * as NodeId from "../../../../../src/protocol/dht/client/NodeId.ts"
import { Chance } from "../../../../../src/protocol/testing/simulation/Chance.ts"
import type { Answer, Found, Question } from "../../../../../src/protocol/testing/simulation/model/Krpc.ts"
import * as Misbehaviour from "../../../../../src/protocol/testing/simulation/model/Misbehaviour.ts"
import { StorageNode } from "../../../../../src/protocol/testing/simulation/model/StorageNode.ts"
import * as StoredItem from "../../../../../src/protocol/testing/simulation/model/StoredItem.ts"
import type { Behaviour } from "../../../../../src/protocol/testing/simulation/Nodes.ts"
import { ed25519, recordOf, text } from "../ModelNetwork.ts"

const ASKER = "172.16.0.1:6881"

const makeNode = (index: number) =>
  new StorageNode({
    name: `n${index}`,
    address: `10.0.0.${index}:6881`,
    id: Ids.random(Chance.of(`id ${index}`)),
    capacity: 100,
    lifetimeMs: Infinity,
    refusesSame: false,
    chance: Chance.of(`node ${index}`),
    now: () => 0,
    isSigned: StoredItem.signatureCheck(ed25519)
  })

/** A node with twenty neighbours that was honest until it had seq 1 of `a`, and then was told `behaviour`. */
const setUp = (behaviour: Behaviour) => {
  const node = makeNode(0)
  for (let i = 1; i <= 20; i++) node.table.offer(makeNode(i))
  const put = (answering: Misbehaviour.Answering, item: StoredItem.StoredItem) =>
    answering({ _tag: "Put", token: node.tokenFor(ASKER), item, cas: undefined }, ASKER)
  put((question, from) => node.answer(question, from), itemOf(1))
  const answering = Misbehaviour.answering(node, behaviour, Chance.of(behaviour))
  return {
    node,
    ask: (question: Question) => answering(question, ASKER),
    put: (item: StoredItem.StoredItem) => put(answering, item),
    get: (target = itemOf(1).target) => found(answering({ _tag: "Get", target }, ASKER))
  }
}

const itemOf = (seq: number, label = "a") => StoredItem.mutable(recordOf(label, seq))

const found = (answer: Answer | undefined): Found => {
  if (answer?._tag !== "Found") throw new Error(`no answer: ${answer?._tag}`)
  return answer
}

const seqOf = ({ item }: Found): number | undefined => (item?._tag === "Mutable" ? item.seq : undefined)

const isGenuine = ({ item }: Found): boolean => item?._tag === "Mutable" && StoredItem.signatureCheck(ed25519)(item)

describe("Misbehaviour", () => {
  it("honest: gives what it has, and the eight closest that it knows", () => {
    const { get, put } = setUp("honest")
    assert.strictEqual(put(itemOf(2))?._tag, "Stored")
    assert.strictEqual(seqOf(get()), 2)
    assert.lengthOf(get().nodes, 8)
  })

  it("silent: answers nothing", () => {
    const { ask, put } = setUp("silent")
    assert.isUndefined(put(itemOf(2)))
    assert.isUndefined(ask({ _tag: "Get", target: itemOf(1).target }))
    assert.isUndefined(ask({ _tag: "FindNode", target: itemOf(1).target }))
  })

  it("stale: takes the first write of an item, says that it took the others, and gives the first", () => {
    const { get, put } = setUp("stale")
    assert.strictEqual(put(itemOf(2))?._tag, "Stored")
    assert.strictEqual(seqOf(get()), 1)
    assert.strictEqual(put(itemOf(5, "b"))?._tag, "Stored")
    assert.strictEqual(put(itemOf(6, "b"))?._tag, "Stored")
    assert.strictEqual(put(StoredItem.immutable(new Uint8Array(2_000)))?._tag, "Stored", "whatever it is")
    assert.strictEqual(seqOf(get(itemOf(5, "b").target)), 5)
  })

  it("rollback: takes writes and gives the oldest valid record", () => {
    const { get, node, put } = setUp("rollback")
    assert.strictEqual(put(itemOf(2))?._tag, "Stored")
    assert.strictEqual(put({ ...itemOf(0), value: text("forged") })?._tag, "Refused")
    const item = node.items.get(itemOf(1).target.hex)
    assert.strictEqual(item?._tag === "Mutable" ? item.seq : undefined, 2)
    assert.strictEqual(seqOf(get()), 1)
    assert.isTrue(isGenuine(get()))
  })

  it("garbage: gives nothing that is genuine, whether or not it has the item", () => {
    const { ask, get, put } = setUp("garbage")
    put(StoredItem.immutable(text("immutable")))
    for (let i = 0; i < 50; i++) {
      assert.isFalse(isGenuine(get()))
      assert.isFalse(isGenuine(get(itemOf(1, "unknown").target)))
      assert.isTrue(get().nodes.every(({ address }) => address.startsWith("10.77.")))
      const { item } = get(StoredItem.immutable(text("immutable")).target)
      assert.notDeepEqual(item?.value, text("immutable"))
      assert.isAtLeast(found(ask({ _tag: "GetPeers", target: itemOf(1).target })).peers.length, 1)
    }
  })

  it("oversized: gives values and lists far over every limit", () => {
    const { ask, get } = setUp("oversized")
    assert.isAbove(get().item?.value.length ?? 0, 10_000)
    assert.isAbove(get(itemOf(1, "unknown").target).item?.value.length ?? 0, 10_000)
    assert.isAbove(get().nodes.length, 100)
    assert.isAbove(found(ask({ _tag: "GetPeers", target: itemOf(1).target })).peers.length, 200)
    assert.isAbove(found(ask({ _tag: "FindNode", target: itemOf(1).target })).nodes.length, 100)
  })

  it("withholding: says that it stored, keeps nothing and gives nothing", () => {
    const { ask, get, node, put } = setUp("withholding")
    assert.strictEqual(put(itemOf(2, "b"))?._tag, "Stored")
    assert.lengthOf([...node.items], 1)
    assert.isUndefined(get().item)
    assert.isDefined(get().token)
    assert.lengthOf(get().nodes, 8)
    const target = itemOf(1).target
    assert.strictEqual(ask({ _tag: "AnnouncePeer", target, token: Uint8Array.of(0), port: 7001 })?._tag, "Stored")
    assert.deepStrictEqual(found(ask({ _tag: "GetPeers", target })).peers, [])
  })

  it("misleading: gives what it has, and names neighbours closer than all, where nobody is", () => {
    const { get, node } = setUp("misleading")
    const target = itemOf(1).target
    assert.strictEqual(seqOf(get()), 1)
    assert.lengthOf(get().nodes, 8)
    const closest = node.table.closest(target)[0]!
    for (const { address, id } of get().nodes) {
      assert.isTrue(NodeId.isCloser(target, id, closest.id))
      assert.match(address, /^10\.77\./)
    }
  })
})
