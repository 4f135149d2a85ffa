/**
 * How the trace page looks: one style sheet for light and dark, wide and narrow, screen and paper. Names of colours
 * are shared with the script, which draws the timeline in them.
 */
export const style = String.raw`
:root{color-scheme:light dark;--page:#fcfcfa;--card:#fff;--ink:#1d1f21;--quiet:#5a6068;--line:#e2e3e0;--edge:#c9ccc8;--link:#1257a8;
--sent:#2f6fb7;--received:#3c8f7c;--lost:#cf3a2c;--fault:#c98a12;--step:#7250b5;--goal:#2d8a4a;--finding:#c2102c;--node:#46647f;
--good:#1d6f3b;--bad:#b00d28;--good-soft:#e6f3e9;--bad-soft:#fdeaea;--still:#6d7278;--q0:#2f6fb7;--q1:#2d8a6e;--q2:#8250b0;
--mono:ui-monospace,"SF Mono","Cascadia Mono",Menlo,Consolas,"DejaVu Sans Mono",monospace}
@media (prefers-color-scheme:dark){:root{--page:#15171a;--card:#1b1e22;--ink:#e6e7e8;--quiet:#a0a6ae;--line:#2b2f34;--edge:#41474e;--link:#82b7f0;
--sent:#6aa9ee;--received:#5cbfa6;--lost:#f2695b;--fault:#dba53a;--step:#b296ee;--goal:#62c280;--finding:#ff5468;--node:#8fb4d6;
--good:#7fd39b;--bad:#ff8291;--good-soft:#17301f;--bad-soft:#3b1a20;--still:#9aa0a7;--q0:#6aa9ee;--q1:#58c09c;--q2:#bb93ea}}
*{box-sizing:border-box}
[hidden]{display:none!important}
html{-webkit-text-size-adjust:100%}
body{margin:0;background:var(--page);color:var(--ink);font:15px/1.5 system-ui,"Segoe UI",Roboto,"Noto Sans","DejaVu Sans",sans-serif}
main{max-width:1500px;margin:0 auto;padding:24px 28px 60px}
h1{font-size:24px;line-height:1.25;margin:0 0 2px;overflow-wrap:anywhere;font-weight:650}
h2{font-size:17px;margin:36px 0 10px;font-weight:650}
p{margin:0 0 8px}
code,pre,kbd{font-family:var(--mono);font-size:.87em}
.sub{color:var(--quiet);margin:0 0 16px}
.verdict{border-left:5px solid var(--good);background:var(--good-soft);padding:11px 16px;border-radius:3px;overflow-wrap:anywhere}
.verdict strong{color:var(--good)}
.verdict.failed{border-color:var(--bad);background:var(--bad-soft)}
.verdict.failed strong{color:var(--bad)}
.verdict p{margin:2px 0 0;font-size:16px}
dl{display:grid;grid-template-columns:repeat(auto-fill,minmax(150px,1fr));gap:10px 22px;margin:18px 0 14px}
dl div{min-width:0}
dl .wide{grid-column:1/-1}
dt{color:var(--quiet);font-size:12.5px}
dd{margin:0;font-variant-numeric:tabular-nums;overflow-wrap:anywhere}
dd code,.note code{user-select:all}
.note code{display:inline-block;max-width:100%;overflow-x:auto;white-space:nowrap;vertical-align:bottom}
p.keys-of-trace code{display:inline}
pre.command{margin:0;padding:8px 12px;background:var(--card);border:1px solid var(--line);border-radius:3px;overflow-x:auto;user-select:all}
figure{margin:0 0 12px}
figcaption,.note{color:var(--quiet);font-size:13px;line-height:1.55;margin-top:6px;max-width:110ch}
.keys{display:inline-block;margin-right:16px}
.key{white-space:nowrap;margin-right:8px}
.swatch{width:12px;height:12px;vertical-align:-1px;overflow:hidden;border-radius:2px}
.plot{display:block;background:var(--card);border:1px solid var(--line);overflow:hidden}
.axis{display:block;font:11.5px var(--mono);fill:var(--quiet);overflow:visible}
.overview .plot{cursor:crosshair;touch-action:pan-y}
.arrived{fill:var(--sent)}.lost{fill:var(--lost)}
rect.fault{fill:var(--fault);opacity:.17}
.swatch rect.fault{opacity:.5}
line{stroke-width:1;stroke:var(--edge)}
line.step{stroke:var(--step);opacity:.75}line.goal{stroke:var(--goal);stroke-dasharray:3 2}
line.finding{stroke:var(--finding);stroke-width:2.5}
#window{fill:none;stroke:none;pointer-events:none}
#window.on{fill:var(--ink);fill-opacity:.1;stroke:var(--ink);stroke-width:1.5}
#view{margin-top:16px}
.bar,#filters{display:flex;flex-wrap:wrap;gap:6px 8px;align-items:center;margin-bottom:8px}
.bar output,#shown{font:12.5px var(--mono);color:var(--quiet);margin-left:6px}
button,input[type=search]{font:inherit;font-size:13.5px;color:inherit;background:var(--card);border:1px solid var(--edge);border-radius:4px;padding:3px 10px;min-height:30px}
button{cursor:pointer}
button:hover{border-color:var(--ink)}
input[type=range]{width:180px;accent-color:var(--sent)}
input[type=search]{flex:1 1 240px;max-width:420px}
label{font-size:13.5px;white-space:nowrap}
:focus-visible{outline:2px solid var(--link);outline-offset:2px}
#canvas{display:block;width:100%;background:var(--card);border:1px solid var(--line);cursor:grab;touch-action:pan-y}
#canvas:active{cursor:grabbing}
#tip{position:fixed;z-index:9;max-width:min(560px,94vw);max-height:60vh;overflow:hidden;background:var(--ink);color:var(--page);font:12px/1.45 var(--mono);padding:6px 9px;border-radius:4px;white-space:pre-wrap;overflow-wrap:anywhere;pointer-events:none}
.scroll{overflow:auto;max-height:520px;border:1px solid var(--line);background:var(--card)}
table{border-collapse:collapse;width:100%;font-size:13.5px;font-variant-numeric:tabular-nums}
th,td{text-align:left;padding:4px 10px;border-bottom:1px solid var(--line);vertical-align:top;overflow-wrap:anywhere}
thead th{position:sticky;top:0;background:var(--card);font-weight:600;color:var(--quiet);white-space:nowrap;box-shadow:0 1px var(--edge)}
tbody th{font-weight:400}
td.time{white-space:nowrap;font-family:var(--mono);font-size:12.5px}
td.time button{font:inherit;padding:0 4px;min-height:24px;border-color:transparent;background:none;color:var(--link);margin-left:-4px}
td.time button:hover{border-color:currentColor}
td.what{min-width:220px}
.tag{display:inline-block;font:12px var(--mono);border-left:4px solid var(--edge);padding-left:6px;white-space:nowrap}
.tag.fault{border-color:var(--fault)}.tag.step{border-color:var(--step)}.tag.goal{border-color:var(--goal)}
.trouble{color:var(--bad)}
details{margin-top:10px}
summary{cursor:pointer;font-size:14px}
details[open] summary{margin-bottom:6px}
.map{display:grid;grid-template-columns:auto minmax(0,1fr) auto;gap:0 8px}
.map ol{list-style:none;margin:1px 0 0;padding:0}
.map li{height:18px;line-height:18px;font-size:12px;white-space:nowrap;overflow:hidden;text-overflow:ellipsis;font-variant-numeric:tabular-nums}
.targets li{width:15ch}
.targets code{font-size:12px}
.ends{color:var(--quiet)}.ends b{color:var(--ink);display:inline-block;min-width:2.4ch;text-align:right}
.ends .none b{color:var(--bad)}
#map{cursor:crosshair;min-width:0}
#map .plot{border-width:1px 0}
.q0{--tint:var(--q0)}.q1{--tint:var(--q1)}.q2{--tint:var(--q2)}.still{--tint:var(--still)}
.h1{fill:color-mix(in srgb,var(--tint) 24%,var(--card))}.h2{fill:color-mix(in srgb,var(--tint) 38%,var(--card))}.h3{fill:color-mix(in srgb,var(--tint) 54%,var(--card))}.h4{fill:color-mix(in srgb,var(--tint) 70%,var(--card))}.h5{fill:color-mix(in srgb,var(--tint) 86%,var(--card))}.h6{fill:color-mix(in srgb,var(--tint) 100%,var(--card))}
rect.behind{fill:var(--fault)}rect.fallen,rect.gone{fill:var(--finding)}
#cell{fill:none;stroke:var(--ink);stroke-width:2;pointer-events:none}
.readout{font:12.5px/1.5 var(--mono);white-space:pre-wrap;overflow-wrap:anywhere;min-height:4.6em;background:var(--card);border:1px solid var(--line);padding:6px 10px;margin-top:8px;max-height:11em;overflow:auto}
#lines{height:min(640px,80vh);overflow:auto;background:var(--card);border:1px solid var(--line);font:12.5px/19px var(--mono);padding:6px 0;direction:ltr;overflow-anchor:none}
#lines .block{content-visibility:auto;contain-intrinsic-size:auto none auto 3800px}
#lines p{margin:0;padding:0 14px 0 5.6em;white-space:pre-wrap;overflow-wrap:anywhere;unicode-bidi:bidi-override;border-left:3px solid transparent;position:relative}
#lines p[data-n]{cursor:pointer}
#lines p[data-n]::before{content:attr(data-n);position:absolute;left:0;width:4.9em;text-align:right;color:var(--quiet);opacity:.75;user-select:none}
#lines p:hover,#lines p.current{background:color-mix(in srgb,var(--sent) 13%,transparent)}
#lines p.current{border-color:var(--sent)}
#lines i{font-style:normal;color:var(--quiet)}
#lines .sent,#lines .twice{color:var(--ink)}
#lines .lost{color:var(--lost)}#lines .did{color:var(--step);font-weight:600}#lines .disk,#lines .note{color:var(--quiet)}
#lines .fault{color:var(--fault);font-weight:600}#lines .heal{color:var(--goal);font-weight:600}
#lines .broke{color:var(--page);background:var(--finding);font-weight:700}#lines .broke i,#lines p.broke[data-n]::before{color:inherit;opacity:1}
#lines .gap{color:var(--quiet);font-style:italic;text-align:center;padding:6px;background:var(--page)}
@media (prefers-color-scheme:light){#lines .fault{color:#8a5a00}}
@media (max-width:760px){main{padding:16px 12px 40px}h1{font-size:21px}.odd,#map .half{display:none}td.what{min-width:150px}.targets li{width:8ch}.ends li{max-width:9ch}input[type=range]{width:110px}.bar output{margin-left:0;width:100%}
#lines{font-size:11.5px}#lines p{padding-left:8px}#lines p[data-n]::before{content:none}th,td{padding:4px 6px}}
@media print{.bar,#filters,#tip{display:none}#lines,.scroll{height:auto;max-height:none}}
`
