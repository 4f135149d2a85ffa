import { assert, describe, it } from "@effect/vitest"
import {
  ASKING_FOR_MS,
  ASKING_MAX,
  FAILED_FOR_MS,
  HostNames,
  type OnAddress,
  REMEMBERED_FOR_MS,
  WAITERS_MAX
} from "../../../src/runtime/dht/HostNames.ts"

const setup = () => {
  let now = 0
  const asked: Array<{ readonly name: string; readonly answer: OnAddress }> = []
  const names = new HostNames(
    () => now,
    (name, answer) => void asked.push({ name, answer })
  )
  const find = (name: string) => {
    const found: Array<string | undefined> = []
    names.find(name, (address) => void found.push(address))
    return found
  }
  return { asked, find, pass: (ms: number) => (now += ms) }
}

describe("HostNames", () => {
  it("asks once for all who want the same name at one time", () => {
    const { asked, find } = setup()
    const [first, second, other] = [find("router"), find("router"), find("other")]
    assert.deepEqual(
      asked.map(({ name }) => name),
      ["router", "other"]
    )
    asked[0]!.answer("10.0.0.1")
    assert.deepEqual([first, second, other], [["10.0.0.1"], ["10.0.0.1"], []])
  })

  it("remembers an address for some minutes", () => {
    const { asked, find, pass } = setup()
    find("router")
    asked[0]!.answer("10.0.0.1")
    pass(REMEMBERED_FOR_MS - 1)
    assert.deepEqual(find("router"), ["10.0.0.1"])
    pass(1)
    assert.deepEqual(find("router"), [])
    asked[1]!.answer("10.0.0.2")
    assert.deepEqual(find("router"), ["10.0.0.2"])
  })

  it("takes a name that is not found for nobody, and tries again soon", () => {
    const { asked, find, pass } = setup()
    const found = find("router")
    asked[0]!.answer(undefined)
    assert.deepEqual(found, [undefined])
    assert.deepEqual(find("router"), [undefined])
    assert.lengthOf(asked, 1)
    pass(FAILED_FOR_MS)
    find("router")
    assert.lengthOf(asked, 2)
  })

  it("gives up a resolver that does not call back, and asks it again", () => {
    const { asked, find, pass } = setup()
    const [first, second] = [find("router"), find("other")]
    pass(ASKING_FOR_MS - 1)
    find("router")
    assert.lengthOf(asked, 2)
    pass(1)
    const later = find("router")
    assert.lengthOf(asked, 3)
    assert.deepEqual([first, second, later], [[undefined], [undefined], []])
    asked[0]!.answer("10.0.0.1")
    asked[0]!.answer("10.0.0.1")
    assert.deepEqual([first, later], [[undefined], []], "nobody is called twice, or by an answer to others")
    asked[2]!.answer("10.0.0.2")
    assert.deepEqual([later, find("router")], [["10.0.0.2"], ["10.0.0.2"]])
  })

  it("lets a bounded number wait for a name, and for names", () => {
    const { asked, find } = setup()
    const found = Array.from({ length: WAITERS_MAX + 1 }, () => find("router"))
    assert.deepEqual(found.at(-1), [undefined])
    assert.lengthOf(
      found.filter(({ length }) => length === 0),
      WAITERS_MAX
    )
    for (let i = 1; i < ASKING_MAX; i++) assert.deepEqual(find(`router ${i}`), [])
    assert.deepEqual(find("one too many"), [undefined])
    assert.lengthOf(asked, ASKING_MAX)
    asked[1]!.answer("10.0.0.1")
    assert.deepEqual(find("one more"), [])
  })

  it("asks again when its clock is set back", () => {
    const { asked, find, pass } = setup()
    pass(REMEMBERED_FOR_MS)
    find("router")
    asked[0]!.answer("10.0.0.1")
    const waiting = find("other")
    pass(-1)
    assert.deepEqual([find("router"), find("other"), waiting], [[], [], [undefined]])
    assert.lengthOf(asked, 4)
  })
})
