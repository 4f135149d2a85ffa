/** Chance from a seed: the same everywhere, and even enough to be called chance. */
import { assert, describe, it } from "@effect/vitest"
import { Chance } from "../../../../src/protocol/testing/simulation/Chance.ts"

const DRAWS = 20_000

const many = <A>(draw: () => A): ReadonlyArray<A> => Array.from({ length: DRAWS }, draw)

const mean = (values: ReadonlyArray<number>) => values.reduce((sum, value) => sum + value, 0) / values.length

describe("Chance", () => {
  it("gives these words for seed 1, on every machine", () => {
    const chance = Chance.of(1)
    const words = Array.from({ length: 4 }, () => chance.word())
    assert.deepStrictEqual(words, [1698403241, 199302822, 2913731259, 2395849000])
  })

  it("gives other words for other seeds and labels", () => {
    const firsts = [Chance.of(1), Chance.of(2), Chance.of(1).fork("a"), Chance.of(1).fork("b"), Chance.of("1/a/b")]
    assert.strictEqual(new Set(firsts.map((chance) => chance.word())).size, firsts.length)
  })

  it("forks streams that do not depend on what was drawn before", () => {
    const drawn = Chance.of(7)
    drawn.word()
    assert.strictEqual(drawn.fork("a").word(), Chance.of(7).fork("a").word())
  })

  it("is even", () => {
    const chance = Chance.of(3)
    const shares = many(() => chance.below(10)).reduce<Array<number>>((counts, value) => {
      counts[value] = (counts[value] ?? 0) + 1
      return counts
    }, [])
    for (const count of shares) assert.closeTo(count, DRAWS / 10, DRAWS / 100)
    assert.closeTo(mean(many(() => chance.fraction())), 0.5, 0.01)
    assert.closeTo(many(() => chance.is(0.3)).filter(Boolean).length / DRAWS, 0.3, 0.015)
  })

  it("stays within its bounds", () => {
    const chance = Chance.of(4)
    for (const value of many(() => chance.between(-3, 3))) assert.isTrue(value >= -3 && value <= 3 && value % 1 === 0)
    for (const value of many(() => chance.fraction())) assert.isTrue(value >= 0 && value < 1)
    assert.isFalse(many(() => chance.is(0)).some(Boolean))
    assert.isTrue(many(() => chance.is(1)).every(Boolean))
    assert.strictEqual(chance.below(1), 0)
  })

  it("draws times between events with mean 1, of which 37 % are longer", () => {
    const chance = Chance.of(5)
    const values = many(() => chance.exponential())
    assert.closeTo(mean(values), 1, 0.03)
    assert.closeTo(values.filter((value) => value > 1).length / DRAWS, 0.3679, 0.015)
  })

  it("shuffles without losing anything, and picks from what there is", () => {
    const chance = Chance.of(6)
    const all = Array.from({ length: 50 }, (_, i) => i)
    const shuffled = chance.shuffled(all)
    assert.notDeepEqual(shuffled, all)
    assert.deepStrictEqual(
      shuffled.toSorted((a, b) => a - b),
      all
    )
    assert.lengthOf(chance.sample(all, 7), 7)
    assert.lengthOf(chance.sample(all, 70), 50)
    assert.throws(() => chance.pick([]), RangeError)
  })
})
