import { assert, describe, it } from "vitest"
import { withoutFacades } from "../../scripts/LeanStart.ts"

describe("scripts/LeanStart.ts", () => {
  for (const [what, before, after] of [
    ["all of a module", 'import * as Fs from "node:fs";', 'const Fs = process.getBuiltinModule("node:fs");'],
    ["a module itself", 'import fs from "node:fs";', 'const fs = process.getBuiltinModule("node:fs");'],
    [
      "members, some renamed",
      'import { finished, Readable as R } from "node:stream";',
      'const { finished, Readable: R } = process.getBuiltinModule("node:stream");'
    ],
    [
      "a module and members",
      'import os, { tmpdir } from "node:os";',
      'const os = process.getBuiltinModule("node:os"); const { tmpdir } = process.getBuiltinModule("node:os");'
    ],
    ["nothing but that it is loaded", 'import "node:net";', ""]
  ] as const) {
    it(`takes ${what} without an import`, () => {
      assert.strictEqual(withoutFacades(`${before}\nconst x = 1`), `${after}\nconst x = 1`)
    })
  }

  it("leaves other packages, and what only looks like an import further down", () => {
    const code =
      'import a from "./chunk.js";\nimport * as Dht from "bittorrent-dht";\nconst text = `\nimport * as Fs from "node:fs";\n`'
    assert.strictEqual(withoutFacades(code), code)
  })

  it("does not pass over an import that it does not understand", () => {
    assert.throws(() => withoutFacades('import defer * as Fs from "node:fs";'), /not understood/)
  })
})
