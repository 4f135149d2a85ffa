import { assert, describe, it } from "@effect/vitest"
import * as JsonText from "../../../src/runtime/install/JsonText.ts"

const set = (text: string, name: string, range: string) =>
  JsonText.set(text, "dependencies", name, range, { sorted: true })

describe("JsonText", () => {
  const additions: ReadonlyArray<readonly [string, string, string]> = [
    [
      "two spaces and a line feed at the end",
      '{\n  "name": "x"\n}\n',
      '{\n  "name": "x",\n  "dependencies": {\n    "m": "1"\n  }\n}\n'
    ],
    [
      "tabs and nothing at the end",
      '{\n\t"name": "x"\n}',
      '{\n\t"name": "x",\n\t"dependencies": {\n\t\t"m": "1"\n\t}\n}'
    ],
    [
      "lines that end as on Windows",
      '{\r\n  "name": "x"\r\n}\r\n',
      '{\r\n  "name": "x",\r\n  "dependencies": {\r\n    "m": "1"\r\n  }\r\n}\r\n'
    ],
    ["nothing in it", "{}\n", '{\n  "dependencies": {\n    "m": "1"\n  }\n}\n'],
    ["everything on one line", '{"name": "x"}', '{"name": "x", "dependencies": {"m":"1"}}'],
    ["an empty section", '{\n  "dependencies": {}\n}', '{\n  "dependencies": {\n    "m": "1"\n  }\n}'],
    ["a section on one line", '{\n  "dependencies": { "z": "1" }\n}', '{\n  "dependencies": { "m": "1", "z": "1" }\n}'],
    [
      "lists on one line",
      '{\n  "files": ["a", "b"],\n  "dependencies": {\n    "a": "1"\n  }\n}',
      '{\n  "files": ["a", "b"],\n  "dependencies": {\n    "a": "1",\n    "m": "1"\n  }\n}'
    ],
    [
      "the package already",
      '{\n  "dependencies": {\n    "m":    "0.1" ,\n    "z": "1"\n  }\n}',
      '{\n  "dependencies": {\n    "m":    "1" ,\n    "z": "1"\n  }\n}'
    ],
    ["a section that is none", '{\n  "dependencies": null\n}', '{\n  "dependencies": {"m":"1"}\n}'],
    [
      "braces and quotes in texts",
      '{\n  "a": "}\\"{",\n  "dependencies": {\n    "a": "]"\n  }\n}',
      '{\n  "a": "}\\"{",\n  "dependencies": {\n    "a": "]",\n    "m": "1"\n  }\n}'
    ]
  ]
  for (const [title, before, after] of additions) {
    it(`adds a member where there are ${title}`, () => assert.strictEqual(set(before, "m", "1"), after))
  }

  it("puts a member between its neighbours, and changes no other byte", () => {
    const before = '{\n  "dependencies": {\n    "b": "1",\n\n    "z": "1"\n  },\n  "x" : [1,2]\n}\n'
    assert.strictEqual(set(before, "a", "1"), before.replace('"b": "1"', '"a": "1",\n\n    "b": "1"'))
  })

  it("removes a member, and its section with the last of them", () => {
    const text = '{\n  "name": "x",\n  "dependencies": {\n    "a": "1",\n    "b": "2"\n  }\n}\n'
    const one = JsonText.remove(text, "dependencies", "b")
    assert.strictEqual(one, '{\n  "name": "x",\n  "dependencies": {\n    "a": "1"\n  }\n}\n')
    assert.strictEqual(JsonText.remove(one, "dependencies", "a"), '{\n  "name": "x"\n}\n')
    assert.strictEqual(
      JsonText.remove(text, "dependencies", "a"),
      '{\n  "name": "x",\n  "dependencies": {\n    "b": "2"\n  }\n}\n'
    )
    assert.strictEqual(JsonText.remove(text, "devDependencies", "a"), text)
  })

  it("writes a list as npm does", () => {
    const text = JsonText.set('{\n  "name": "x"\n}\n', "libreseed", "allowScripts", ["a", "b"])
    assert.strictEqual(
      text,
      '{\n  "name": "x",\n  "libreseed": {\n    "allowScripts": [\n      "a",\n      "b"\n    ]\n  }\n}\n'
    )
  })
})
