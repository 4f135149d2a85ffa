/**
 * A project whose imports meet every way in which a package says what its files are, for Node and for bundlers alike:
 * main, exports with conditions, subpaths, imports, the fields of bundlers, a package that names itself, and one release
 * that stands in two places beside different peers.
 */
import * as Fixture from "./Fixture.ts"

const shared = { "index.js": "module.exports = `mid over ${require('peer')}`\n" }

export const packages: Fixture.Packages = {
  "plain@1.0.0": {
    files: {
      "package.json": { main: "./lib" },
      "index.js": "module.exports = 'not this one'\n",
      "lib/index.js": "module.exports = { plain: require('../values').value, up: require('./inner') }\n",
      "lib/inner.js": "exports.name = require('..') === undefined ? 'none' : 'own directory'\n",
      "values.js": "exports.value = 1\n",
      "data.json": { answer: 42 }
    }
  },
  "dual@1.0.0": {
    files: {
      "package.json": {
        type: "module",
        exports: {
          ".": { import: "./module.js", require: "./common.cjs" },
          "./sub": "./sub.cjs",
          "./files/*.js": "./files/*.js",
          "./files/private/*": null
        },
        imports: { "#inner": "./inner.cjs", "#far": "plain" }
      },
      "module.js": "export const kind = 'module'\n",
      "common.cjs": "exports.kind = 'common'\n",
      "inner.cjs": "module.exports = 'inner'\n",
      "files/a.js": "export default 'a'\n",
      "files/private/b.js": "export default 'b'\n",
      "sub.cjs": "module.exports = `${require('dual').kind} ${require('#inner')} ${require('#far').plain}`\n"
    },
    dependencies: { plain: "plain@1.0.0" }
  },
  "@scope/scoped@1.0.0": {
    files: {
      "package.json": {
        main: "./node.js",
        module: "./module.js",
        browser: { "./module.js": "./browser.js", fs: false }
      },
      "node.js": "module.exports = 'main'\n",
      "module.js": "export default 'module'\n",
      "browser.js": "import * as fs from 'fs'\nexport default `browser ${typeof fs.readFileSync}`\n",
      "deep/index.js": "module.exports = 'deep'\n"
    }
  },
  "left@1.0.0": {
    files: { "index.js": "module.exports = `left ${require('mid')}`\n" },
    dependencies: { mid: "mid@1.0.0(peer@1.0.0)", peer: "peer@1.0.0" }
  },
  "right@1.0.0": {
    files: { "index.js": "module.exports = `right ${require('mid')}`\n" },
    dependencies: { mid: "mid@1.0.0(peer@2.0.0)", peer: "peer@2.0.0" }
  },
  "mid@1.0.0(peer@1.0.0)": { files: shared, dependencies: { peer: "peer@1.0.0" } },
  "mid@1.0.0(peer@2.0.0)": { files: shared, dependencies: { peer: "peer@2.0.0" } },
  "peer@1.0.0": { files: { "index.js": "module.exports = 'peer 1'\n" } },
  "peer@2.0.0": { files: { "index.js": "module.exports = 'peer 2'\n" } },
  "phantom@1.0.0": { files: { "index.js": "module.exports = require('plain')\n" } },
  "tool@1.0.0": {
    files: {
      "package.json": { bin: { "a-tool": "./bin.js", escape: "../../../escape.js" } },
      "bin.js": "#!/usr/bin/env node\nconsole.log(JSON.stringify([require('plain').plain, ...process.argv.slice(2)]))\n"
    },
    dependencies: { plain: "plain@1.0.0" }
  }
}

export const dependencies = [
  "plain@1.0.0",
  "dual@1.0.0",
  "@scope/scoped@1.0.0",
  "left@1.0.0",
  "right@1.0.0",
  "phantom@1.0.0",
  "tool@1.0.0"
]

export const make = (project: Fixture.Files): Fixture.Fixture =>
  Fixture.make({
    project: {
      "package.json": { name: "project", private: true, imports: { "#own": "./own.cjs", "#dual": "dual" } },
      "own.cjs": "module.exports = 'own'\n",
      ...project
    },
    dependencies,
    packages
  })

/** Imports what bundlers and Node agree about, and leaves it in `globalThis.result`. */
export const entry = `
import plain from "plain"
import { kind } from "dual"
import sub from "dual/sub"
import a from "dual/files/a.js"
import deep from "@scope/scoped/deep/index.js"
import left from "left"
import right from "right"
import own from "#own"
import { kind as again } from "#dual"
globalThis.result = { plain, kind, sub, a, deep, left, right, own, again }
`

export const expected = {
  plain: { plain: 1, up: { name: "own directory" } },
  kind: "module",
  sub: "common inner 1",
  a: "a",
  deep: "deep",
  left: "left mid over peer 1",
  right: "right mid over peer 2",
  own: "own",
  again: "module"
}
