import { assert, describe, it } from "@effect/vitest"
import { torrentMark } from "../../../src/runtime/swarm/Encryption.ts"
import { type Acceptor, TorrentTable } from "../../../src/runtime/swarm/TorrentTable.ts"
import * as Nodes from "./Nodes.ts"

const acceptor = (): Acceptor => ({ mayAccept: () => true, accept: () => {} })
const [one, other] = [Nodes.infohashOf("one"), Nodes.infohashOf("other")]

describe("TorrentTable", () => {
  it("finds a torrent by its mark from when it is served until nobody serves it", () => {
    const table = new TorrentTable()
    const [first, second, late] = [acceptor(), acceptor(), acceptor()]
    table.add(one, first)
    table.add(one, second)
    assert.deepStrictEqual(table.find(torrentMark(one)), one)
    assert.isUndefined(table.find(torrentMark(other)))
    table.add(other, late)
    assert.deepStrictEqual(table.find(torrentMark(other)), other)
    table.remove(one, first)
    assert.deepStrictEqual(table.find(torrentMark(one)), one)
    table.remove(one, second)
    assert.isUndefined(table.find(torrentMark(one)))
    assert.deepStrictEqual(table.acceptorsOf(other), [late])
  })

  it("does not find by its mark what was gone before anybody asked", () => {
    const table = new TorrentTable()
    const gone = acceptor()
    table.add(one, gone)
    table.remove(one, gone)
    assert.isUndefined(table.find(torrentMark(one)))
    assert.strictEqual(table.size, 0)
  })
})
