import { assert, describe, it } from "@effect/vitest"
import {
  BACKLOG_MAX_BYTES,
  BACKLOG_MAX_WRITES,
  FREE_BACKLOG_BYTES,
  NODE_BACKLOG_MAX_BYTES,
  NodeBacklog,
  SendBacklog
} from "../../../src/runtime/swarm/SendBacklog.ts"

describe("SendBacklog", () => {
  it("is too much by bytes, and by writes however short they are", () => {
    assert.isFalse(new SendBacklog().isTooMuch(BACKLOG_MAX_BYTES))
    assert.isTrue(new SendBacklog().isTooMuch(BACKLOG_MAX_BYTES + 1))
    const backlog = new SendBacklog()
    let writes = 0
    while (!backlog.isTooMuch(17 * writes)) {
      backlog.onSend(17, 1)
      writes++
    }
    assert.strictEqual(writes, BACKLOG_MAX_WRITES + 1)
  })

  it("is never too much of a peer that reads, also where something always waits", () => {
    const backlog = new SendBacklog()
    let pending = 0
    let faults = 0
    for (let i = 0; i < 20 * BACKLOG_MAX_WRITES; i++) {
      if (backlog.isTooMuch(pending)) faults++
      backlog.onSend(17, 1)
      pending = Math.min(pending + 17, 1000 * 17)
    }
    assert.strictEqual(faults, 0)
  })

  it("leaves those without room who let much wait where the node has too much, and only those", () => {
    const node = new NodeBacklog()
    const slow = Array.from({ length: 200 }, () => new SendBacklog(node))
    const each = NODE_BACKLOG_MAX_BYTES / 128
    for (const backlog of slow) if (backlog.hasRoom(each)) backlog.settle(each)
    assert.isAtMost(node.bytes, NODE_BACKLOG_MAX_BYTES + each * slow.length)
    assert.isFalse(slow[0]!.hasRoom(each))
    const quick = new SendBacklog(node)
    assert.isTrue(quick.hasRoom(FREE_BACKLOG_BYTES - 1))
    for (const backlog of [quick, ...slow]) backlog.settle(0)
    assert.strictEqual(node.bytes, 0)
    assert.isTrue(slow[0]!.hasRoom(each))
  })
})
