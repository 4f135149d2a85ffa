import { assert, describe, it } from "@effect/vitest"
import { FRESH_MAX, FRESH_MS, IN_FLIGHT_MAX, QueryPace, QUEUE_MAX } from "../../../src/runtime/dht/QueryPace.ts"

/** A pace whose time passes when it is told to, and the queries that were begun, by number. */
const setup = () => {
  let now = 0
  let planned: Array<{ readonly at: number; readonly run: () => void }> = []
  const pace = new QueryPace(
    () => now,
    (ms, run) => {
      const plan = { at: now + ms, run }
      planned.push(plan)
      return () => void (planned = planned.filter((each) => each !== plan))
    }
  )
  const pass = (ms: number) => {
    now += ms
    const due = planned.filter(({ at }) => at <= now)
    planned = planned.filter(({ at }) => at > now)
    for (const { run } of due) run()
  }
  const begun: Array<() => void> = []
  const begin = (count: number) => {
    for (let i = 0; i < count; i++) assert.isDefined(pace.begin((done) => void begun.push(done)))
  }
  return { pace, begin, begun, pass, planned: () => planned.length }
}

describe("QueryPace", () => {
  it("begins no more at once than the receive buffer holds answers to, and the next as soon as one is over", () => {
    const { begin, begun } = setup()
    begin(FRESH_MAX + 10)
    assert.lengthOf(begun, FRESH_MAX)
    begun[3]!()
    assert.lengthOf(begun, FRESH_MAX + 1)
    for (const done of begun.slice(4)) done()
    assert.lengthOf(begun, FRESH_MAX + 10)
  })

  it("never begins what was taken back, and gives its place to the next", () => {
    const { begin, begun, pace } = setup()
    begin(FRESH_MAX)
    const takeBack = pace.begin(() => assert.fail("it was taken back"))
    begin(1)
    takeBack?.()
    begun[0]!()
    assert.lengthOf(begun, FRESH_MAX + 1)
  })

  it("counts a query that ends twice once", () => {
    const { begin, begun } = setup()
    begin(FRESH_MAX + 2)
    begun[0]!()
    begun[0]!()
    assert.lengthOf(begun, FRESH_MAX + 1)
  })

  it("lets late queries hold nobody up, as long as they are not too many", () => {
    const { begin, begun, pass } = setup()
    begin(IN_FLIGHT_MAX + 5)
    pass(FRESH_MS - 1)
    assert.lengthOf(begun, FRESH_MAX)
    pass(1)
    assert.lengthOf(begun, Math.min(IN_FLIGHT_MAX, 2 * FRESH_MAX))
    pass(FRESH_MS)
    assert.lengthOf(begun, IN_FLIGHT_MAX)
    begun[0]!()
    assert.lengthOf(begun, IN_FLIGHT_MAX + 1)
  })

  it("keeps the order in which they were asked for", () => {
    const { begin, begun, pace } = setup()
    begin(FRESH_MAX)
    const order: Array<number> = []
    for (let i = 0; i < 3; i++) pace.begin((done) => (order.push(i), done))
    for (const done of begun.slice(0, 3)) done()
    assert.deepEqual(order, [0, 1, 2])
  })

  it("turns away what would wait too long, and has no timer when nobody waits", () => {
    const { begin, begun, pace, pass, planned } = setup()
    begin(FRESH_MAX)
    assert.strictEqual(planned(), 0)
    begin(QUEUE_MAX)
    assert.isUndefined(pace.begin(() => assert.fail("begun")))
    for (let i = 0; i < begun.length; i++) begun[i]!()
    assert.lengthOf(begun, FRESH_MAX + QUEUE_MAX)
    pass(FRESH_MS)
    assert.strictEqual(planned(), 0)
  })
})
