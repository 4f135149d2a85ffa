import { assert, describe, it } from "@effect/vitest"
import * as SecureId from "../../../../src/protocol/dht/client/SecureId.ts"
import {
  type Contact,
  LEAVING_MAX,
  PER_HOST_MAX,
  PER_NETWORK_MAX,
  SECURE_ENOUGH,
  TablePolicy
} from "../../../../src/runtime/dht/entry/TablePolicy.ts"

const CHOSEN = new Uint8Array(20).fill(0xaa)

const secure = (host: string, port = 6881): Contact => ({ id: SecureId.make(host, new Uint8Array(20)), host, port })

const insecure = (host: string, port = 6881): Contact => ({ id: CHOSEN, host, port })

const hosts = (count: number): ReadonlyArray<string> => Array.from({ length: count }, (_, i) => `20.${i}.1.1`)

/** A policy over a table that it is the gate of. */
const setUp = (table: Array<Contact> = []) => {
  let now = 0
  const policy = new TablePolicy(
    () => table,
    () => now
  )
  const enter = (node: Contact): boolean => {
    table.push(node)
    if (policy.isWelcome(node)) return true
    table.pop()
    return false
  }
  return { policy, table, enter, pass: (ms: number) => (now += ms) }
}

describe("TablePolicy", () => {
  it("takes in nodes with ids of their own choice while few others are known, and then no more", () => {
    const { enter, pass, policy } = setUp(hosts(SECURE_ENOUGH - 1).map((host) => secure(host)))
    assert.isTrue(enter(insecure("30.1.1.1")))
    assert.isTrue(enter(secure("20.200.1.1")))
    assert.isFalse(enter(insecure("30.2.1.1")), "within a second of the count")
    pass(2000)
    assert.isFalse(enter(insecure("30.2.1.1")), "counted anew")
    assert.isTrue(enter(secure("20.201.1.1")))
    assert.deepStrictEqual(policy.leaving(), [insecure("30.1.1.1")])
  })

  it("lets those that came in by need go a few at a time, and only when others are there", () => {
    const strangers = Array.from({ length: 20 }, (_, i) => insecure(`30.${i}.1.1`))
    const { policy, table } = setUp([...strangers])
    assert.deepStrictEqual(policy.leaving(), [])
    table.push(...hosts(SECURE_ENOUGH).map((host) => secure(host)))
    assert.deepStrictEqual(policy.leaving(), strangers.slice(0, LEAVING_MAX))
  })

  it("gives one address and one network a few places, however well their ids fit", () => {
    const { enter } = setUp()
    for (let i = 0; i < PER_HOST_MAX; i++) assert.isTrue(enter(secure("20.1.1.1", 7000 + i)))
    assert.isFalse(enter(secure("20.1.1.1", 7999)))
    for (let i = PER_HOST_MAX; i < PER_NETWORK_MAX; i++) assert.isTrue(enter(secure(`20.1.2.${i}`)))
    assert.isFalse(enter(secure("20.1.3.1")))
    assert.isTrue(enter(secure("20.2.1.1")))
  })

  it("leaves a refused newcomer uncounted", () => {
    const { enter } = setUp()
    for (let i = 0; i < 50; i++) enter(secure("20.1.1.1", 7000 + i))
    assert.isTrue(enter(secure("20.1.1.2")))
  })

  it("counts anew when the clock was set back", () => {
    const table: Array<Contact> = []
    const { enter, pass } = setUp(table)
    pass(60 * 60_000)
    for (let i = 0; i < PER_NETWORK_MAX; i++) assert.isTrue(enter(secure(`20.1.2.${i}`)))
    assert.isFalse(enter(secure("20.1.3.1")))
    pass(-60 * 60_000)
    table.length = 0
    assert.isTrue(enter(secure("20.1.3.1")))
  })

  it("lets everybody in on one machine and in a private network", () => {
    const { enter } = setUp()
    for (let i = 0; i < 100; i++) assert.isTrue(enter(insecure("127.0.0.1", 7000 + i)))
    for (let i = 0; i < 100; i++) assert.isTrue(enter(insecure(`192.168.1.${i}`)))
  })
})
