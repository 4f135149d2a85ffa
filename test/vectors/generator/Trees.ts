/** `trees.json`: entries with the tree that they make, and trees that a reader must refuse to read. */
import { bencode, bytes, flipBit, hex, inOrder, type Json, sha1 } from "./Cast.ts"
import * as Samples from "./Samples.ts"
import { type Entry, pageOf, pageTarget } from "./Samples.ts"

/** What a DHT answers, by target. */
const network = (pages: ReadonlyArray<Uint8Array>): { readonly [target: string]: string } =>
  Object.fromEntries(pages.map((page) => [hex(pageTarget(page)), hex(page)]))

const view = (entries: ReadonlyArray<Entry>): Json => entries.map(([key, value]) => [hex(key), hex(value)])

const compare = ([self]: Entry, [that]: Entry): number => Buffer.compare(self, that)

/** `isMade`: whether the rule for making trees gives just these pages. */
const readable = (
  name: string,
  entries: ReadonlyArray<Entry>,
  { pages, root }: Samples.Tree,
  isMade: boolean
): Json => ({
  name,
  root: hex(root),
  pages: network(pages),
  valid: true,
  entries: view(entries.toSorted(compare)),
  made: isMade
})

const made = (name: string, entries: ReadonlyArray<Entry>): Json => readable(name, entries, Samples.tree(entries), true)

const entry = (key: string | Uint8Array, value: string | Uint8Array = "1.0.0"): Entry => [bytes(key), bytes(value)]

const numbered = (count: number): ReadonlyArray<Entry> =>
  Array.from({ length: count }, (_, i) => entry(`package-${i + 100}`))

/** Few of them fill a page, so that a small tree is high. */
const long = (count: number): ReadonlyArray<Entry> =>
  Array.from({ length: count }, (_, i) =>
    entry(bytes(Uint8Array.of(i), new Uint8Array(219).fill(0x2e)), Uint8Array.of(i))
  )

/** The longest that there are: a page holds one. */
const longest = (count: number): ReadonlyArray<Entry> =>
  Array.from({ length: count }, (_, i) =>
    entry(bytes(new Uint8Array(255).fill(0x61), Uint8Array.of(i)), new Uint8Array(512).fill(i))
  )

const filling = (total: number): ReadonlyArray<Entry> => [
  entry("a", new Uint8Array(480)),
  entry("b", new Uint8Array(total - 507))
]

const hundred = numbered(100)
const halves = [hundred.slice(0, 30), hundred.slice(30, 60)] as const

const valid: ReadonlyArray<Json> = [
  made("one entry", [entry("left-pad", "1.3.0")]),
  made("an empty value", [entry("a", "")]),
  made("keys in the order of unsigned bytes, a shorter one before those that begin with it", [
    entry(Uint8Array.of(0xff)),
    entry("a"),
    entry("ab"),
    entry(Uint8Array.of(0)),
    entry(Uint8Array.of(0x7f)),
    entry(Uint8Array.of(0x80))
  ]),
  made("a page of 996 bytes", filling(996)),
  made("one byte more than a page", filling(997)),
  made("a hundred entries", hundred),
  made("three heights", long(16)),
  made("the longest entries", longest(3)),
  readable("pages that end elsewhere than the rule has them", hundred.slice(0, 60), Samples.treeOver(halves), false),
  readable("a last page over a single one", long(7), lastOverOne(), false)
]

/** Three leaves under a root of height 2, of whose two children the last refers to one page only. */
function lastOverOne(): Samples.Tree {
  const entries = long(7)
  const leaves = [entries.slice(0, 3), entries.slice(3, 6), entries.slice(6)].map((each) => pageOf(0, each))
  const refs = leaves.map((page, at): Entry => [entries[at * 3]![0], pageTarget(page)])
  const inner = [refs.slice(0, 2), refs.slice(2)].map((each) => pageOf(1, each))
  const root = pageOf(2, [
    [entries[0]![0], pageTarget(inner[0]!)],
    [entries[6]![0], pageTarget(inner[1]!)]
  ])
  return { root: pageTarget(root), pages: [...leaves, ...inner, root] }
}

const refused = (name: string, reason: string, root: Uint8Array, pages: Json): Json => ({
  name,
  root: hex(root),
  pages,
  valid: false,
  reason
})

/** A tree of one page, in which something is wrong. */
const alone = (name: string, reason: string, page: Uint8Array): Json =>
  refused(name, reason, pageTarget(page), network([page]))

const pair = [entry("a"), entry("b")] as const
const page = pageOf(0, pair)
const e = pair.flat()

const pages: ReadonlyArray<Json> = [
  alone("a page without entries", "a page has at least one entry", pageOf(0, [])),
  alone("a key without a value", "e has a value for each key", bencode({ e: e.slice(0, 3), h: 0 })),
  alone("keys out of order", "keys are in ascending order", pageOf(0, pair.toReversed())),
  alone("a key twice", "a key stands once", pageOf(0, [entry("a", "1"), entry("a", "2")])),
  alone(
    "keys in the order of signed bytes",
    "keys are ordered as unsigned bytes",
    pageOf(0, [entry(Uint8Array.of(0x80)), entry(Uint8Array.of(0x7f))])
  ),
  alone(
    "a longer key before the shorter one",
    "a key comes before those that begin with it",
    pageOf(0, [entry("ab"), entry("a")])
  ),
  alone("an empty key", "a key has 1 to 256 bytes", pageOf(0, [entry("")])),
  alone("a key of 257 bytes", "a key has 1 to 256 bytes", pageOf(0, [entry(new Uint8Array(257))])),
  alone("a value of 513 bytes", "a value has at most 512 bytes", pageOf(0, [entry("a", new Uint8Array(513))])),
  alone("a page of 997 bytes", "a page has at most 996 bytes", pageOf(0, filling(997))),
  alone("a value that is an integer", "entries are byte strings", bencode({ e: ["a", 1], h: 0 })),
  alone("an unknown key", "a page has no key z", bencode({ e, h: 0, z: 0 })),
  alone("no height", "h is missing", bencode({ e })),
  alone("a negative height", "h is at least 0", bencode({ e, h: -1 })),
  alone(
    "a height of 18",
    "h is at most 17",
    pageOf(
      18,
      pair.map(([key]): Entry => [key, pageTarget(page)])
    )
  ),
  alone(
    "keys of the page out of order",
    "not canonical bencode",
    inOrder([
      ["h", 0],
      ["e", e]
    ])
  ),
  alone("a height that begins with 0", "not canonical bencode", bytes(page.slice(0, -4), "i00ee")),
  alone("a byte behind the page", "something follows the value", bytes(page, "\n")),
  alone("a list", "a page is a dictionary", bencode(e)),
  alone("nothing", "not bencode", new Uint8Array())
]

const left = pageOf(0, hundred.slice(0, 30))
const right = pageOf(0, hundred.slice(30, 60))
const [firstKey, thirtieth] = [hundred[0]![0], hundred[30]![0]]

/** A root over two pages, with other entries or other pages than it should have. */
const above = (
  name: string,
  reason: string,
  entries: ReadonlyArray<Entry>,
  below: ReadonlyArray<Uint8Array>,
  height = 1
): Json => {
  const root = pageOf(height, entries)
  return refused(name, reason, pageTarget(root), network([...below, root]))
}

const over = (first: Uint8Array, second: Uint8Array): ReadonlyArray<Entry> => [
  [firstKey, pageTarget(first)],
  [thirtieth, pageTarget(second)]
]

const shifted = pageOf(0, hundred.slice(31, 60))
const reaching = pageOf(0, hundred.slice(0, 31))
const sound = Samples.treeOver(halves)
const soundRoot = sound.pages.at(-1)!

const middle = (): Json => {
  const entries = long(7)
  const leaves = [entries.slice(0, 3), entries.slice(3, 6), entries.slice(6)].map((each) => pageOf(0, each))
  const refs = leaves.map((each, at): Entry => [entries[at * 3]![0], pageTarget(each)])
  const inner = [refs.slice(0, 1), refs.slice(1)].map((each) => pageOf(1, each))
  const root = pageOf(2, [
    [refs[0]![0], pageTarget(inner[0]!)],
    [refs[1]![0], pageTarget(inner[1]!)]
  ])
  return refused(
    "a page above others that refers to one only",
    "above height 0 every page but the last of its height has two entries",
    pageTarget(root),
    network([...leaves, ...inner, root])
  )
}

const trees: ReadonlyArray<Json> = [
  refused("a page that is not there", "the page is missing", sound.root, network([left, soundRoot])),
  refused("no root", "the root is missing", sound.root, {}),
  refused("a page with a bit flipped", "its SHA-1 is not its target", sound.root, {
    ...network([left, soundRoot]),
    [hex(pageTarget(right))]: hex(flipBit(right, 200))
  }),
  refused("another page in the place of one", "its SHA-1 is not its target", sound.root, {
    ...network([left, soundRoot]),
    [hex(pageTarget(right))]: hex(left)
  }),
  refused(
    "a root that is the SHA-1 of the page alone",
    "a target is the SHA-1 of the bencoded byte string",
    sha1(page),
    { [hex(sha1(page))]: hex(page) }
  ),
  above(
    "a target of 19 bytes",
    "above height 0 a value has 20 bytes",
    [
      [firstKey, pageTarget(left).slice(1)],
      [thirtieth, pageTarget(right)]
    ],
    [left, right]
  ),
  above(
    "a root of height 1 over pages that are no leaves",
    "a page's height is one less than its parent's",
    over(pageOf(1, over(left, right)), right),
    [pageOf(1, over(left, right)), left, right]
  ),
  above(
    "a root of height 2 over leaves",
    "a page's height is one less than its parent's",
    over(left, right),
    [left, right],
    2
  ),
  above(
    "a page that begins after its parent's key",
    "a page's first key is the one that its parent names",
    over(left, shifted),
    [left, shifted]
  ),
  above(
    "a page that reaches into the next one",
    "a page's keys are below the first key of the next page",
    over(reaching, right),
    [reaching, right]
  ),
  above(
    "a root over a single page",
    "a root above height 0 has two entries or more",
    [[firstKey, pageTarget(left)]],
    [left]
  ),
  above("one page twice", "a page's first key is the one that its parent names", over(left, left), [left]),
  middle()
]

/** Entries that no tree can be made of. */
const unmakeable = (name: string, reason: string, entries: ReadonlyArray<Entry>): Json => ({
  name,
  entries: view(entries),
  reason
})

const refusedEntries: ReadonlyArray<Json> = [
  unmakeable("no entries", "without entries there is no tree", []),
  unmakeable("out of order", "entries are in ascending order of their keys", pair.toReversed()),
  unmakeable("a key twice", "a key stands once", [entry("a", "1"), entry("a", "2")]),
  unmakeable("an empty key", "a key has 1 to 256 bytes", [entry("")]),
  unmakeable("a key of 257 bytes", "a key has 1 to 256 bytes", [entry(new Uint8Array(257))]),
  unmakeable("a value of 513 bytes", "a value has at most 512 bytes", [entry("a", new Uint8Array(513))])
]

export const treesFile: Json = {
  about: "Trees of immutable items: docs/spec/trees.md",
  cases: [...valid, ...pages, ...trees],
  unmakeable: refusedEntries
}
