"""How the page of a bundle looks, on a screen and on A4: ink on paper, one colour, digests that can be compared."""

STYLE = """
:root { --ink: #1b2430; --soft: #5b6573; --line: #d5dae0; --wash: #f5f7f9; --seal: #9b2c22; }
* { box-sizing: border-box; }
html { background: #e9ecef; }
body {
  margin: 0; color: var(--ink);
  font: 15px/1.6 "Helvetica Neue", Arial, "PingFang SC", "Noto Sans CJK SC", "Source Han Sans SC", "Microsoft YaHei",
    sans-serif;
}
article { max-width: 210mm; margin: 24px auto; padding: 18mm 17mm; background: #fff; box-shadow: 0 1px 8px #0002; }
header { border-top: 4px solid var(--seal); padding-top: 14px; margin-bottom: 26px; }
nav { float: right; font-size: 13px; }
nav a { color: var(--soft); text-decoration: none; border-bottom: 1px solid var(--line); }
h1, h2 {
  font-family: Georgia, "Songti SC", "Noto Serif CJK SC", "Source Han Serif SC", SimSun, serif; line-height: 1.3;
}
h1 { font-size: 30px; margin: 0; letter-spacing: .01em; }
h2 { font-size: 20px; margin: 34px 0 10px; padding-bottom: 6px; border-bottom: 1px solid var(--ink); }
h3 { font-size: 13px; margin: 20px 0 7px; color: var(--seal); font-weight: 600; letter-spacing: .02em; }
.count { margin: 2px 0 16px; color: var(--soft); }
dl { display: grid; grid-template-columns: minmax(9em, max-content) 1fr; gap: 4px 18px; margin: 0; font-size: 14px; }
dt { color: var(--soft); }
dd { margin: 0; overflow-wrap: anywhere; }
table { width: 100%; border-collapse: collapse; font-size: 14px; }
th {
  text-align: left; font-weight: 600; font-size: 12px; color: var(--soft);
  padding: 4px 12px 4px 0; border-bottom: 1px solid var(--ink);
}
td { padding: 6px 12px 6px 0; border-bottom: 1px solid var(--line); vertical-align: top; overflow-wrap: anywhere; }
th:last-child, td:last-child { padding-right: 0; }
.members td:first-child { width: 32%; color: var(--soft); }
.law td:first-child { width: 27%; }
.law td:nth-child(2) { width: 36%; }
.members td:first-child code { font-size: 11px; }
.signers td { overflow-wrap: break-word; }
.signers td:nth-child(2), .signers td:nth-child(3) { white-space: nowrap; }
.signers { margin-top: 12px; }
.seen { margin: 0 0 8px; padding: 14px 18px; border: 1px solid var(--ink); font-size: 16px; line-height: 1.65; }
code {
  font: 13px/1.5 "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", "Noto Sans Mono CJK SC", monospace;
  overflow-wrap: anywhere;
}
.digest { display: inline-grid; grid-template-columns: repeat(4, max-content); gap: 0 .9em; }
.told { margin-left: .6em; color: var(--soft); font-size: 13px; }
.aside { color: var(--soft); font-size: 13px; margin: 8px 0 0; }
.missing { color: var(--soft); font-style: italic; }
[lang="zh-CN"] .missing { font-style: normal; }
ol { margin: 0; padding-left: 1.4em; }
li { margin: 0 0 7px; padding-left: .2em; }
li::marker { color: var(--seal); font-variant-numeric: tabular-nums; }
.shows_not ol, .notice { background: var(--wash); border-left: 3px solid var(--seal); }
.shows_not ol { padding: 14px 18px 8px 2.4em; }
.notice { margin: 30px 0 0; padding: 12px 18px; font-size: 13px; }
@page {
  size: A4; margin: 17mm 16mm 18mm;
  @bottom-right { content: counter(page) " / " counter(pages); font: 9pt Arial; color: #5b6573; }
}
@media print {
  html { background: none; }
  body { font-size: 10pt; }
  article { max-width: none; margin: 0; padding: 0; box-shadow: none; }
  article + article { break-before: page; }
  nav { display: none; }
  h1 { font-size: 21pt; }
  h2 { font-size: 14pt; margin-top: 20pt; }
  h3 { font-size: 9.5pt; }
  h2, h3 { break-after: avoid; }
  .seen { font-size: 10.5pt; }
  dl, table, code { font-size: 9pt; }
  .members td:first-child code { font-size: 7.5pt; }
  tr, li, dl, .notice { break-inside: avoid; }
  thead { display: table-header-group; }
  * { print-color-adjust: exact; }
}
"""
