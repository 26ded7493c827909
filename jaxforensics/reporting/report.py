"""The report of a run: a directory with one page, its README, tables and figures."""

import re
from pathlib import Path

from jaxforensics.files import replacing
from jaxforensics.reporting import document, figures, tables
from jaxforensics.reporting.blocks import (
    Details,
    Figure,
    Findings,
    Heading,
    Table,
    Text,
)


class Report:
    """What a run found, in the order in which it is told.

        index.html, README.md    the whole report, from the same blocks
        tables/NAME.md, .csv     each table, for people and for programs
        figures/NAME.png         each figure

    `remarks` {name: text} say what a reader must know of some rows, e.g. that a net was
    trained on other devices: in every table a row that begins with the name has a
    dagger, and the text stands below, see `tables.remarked`.
    """

    def __init__(self, directory, *, remarks=None):
        self.directory = Path(directory)
        self._remarks = dict(remarks or {})
        self._findings = []
        self._blocks = []
        self._files = set()

    def findings(self, lines):
        """Add what was found, three to eight short lines; they come first.

        The verdicts "holds", "does not hold" and "open" are set apart where they stand
        by themselves, as in "holds: noise hides traces (0.1 [0.0, 0.2])".
        """
        self._findings += lines

    def section(self, title, text=""):
        """Open a section with a text, see `blocks.Text`."""
        self._blocks.append(Heading(title))
        if text:
            self._blocks.append(Text(text))

    def table(self, name, rows, *, caption="", columns=None, about=None):
        """Add rows, see `tables`, below their caption; Markdown and CSV files too.

        A row rests on the net that its first cell names.  `about` says where that is
        not so: names that all rows rest on (none: a paper's own numbers), or {first
        cell: names} of some rows, such as an average.
        """
        rows = list(rows)
        remarks = self._remarks_of(rows, columns, about)
        settings = {"columns": columns, "remarks": remarks}
        markdown = tables.markdown(rows, **settings)
        self._store(f"tables/{name}.md", f"{caption}\n\n{markdown}".encode())
        self._store(f"tables/{name}.csv", tables.csv(rows, **settings).encode())
        self._blocks += [Text(caption), Table(rows, **settings)]

    def figure(self, name, figure, *, caption="", texts=None):
        """Add a matplotlib figure above its caption; a PNG file too.

        `texts` {name: text} are fields of the file.
        """
        content = figures.png(figure, texts=texts)
        file = self._store(f"figures/{name}.png", content)
        self._blocks.append(Figure(content, caption, file))

    def write(self, *, title, subtitle="", facts=None, details=None, notices=()):
        """Write the page, whose path is returned, and the README: both or neither.

        `facts` {what: value} stand below the title, `details` {summary: text or dict}
        are folded away at the end of the page.  `notices`, (title, text, rows) each,
        come right after the findings.
        """
        blocks = []
        if self._findings:
            blocks += [Heading("What was found"), Findings(self._findings)]
        for notice_title, text, rows in notices:
            blocks += [Heading(notice_title), Text(text)]
            blocks.append(Table(rows, remarks=self._remarks))
        blocks += self._blocks
        if details:
            blocks.append(Heading("Reproduction", in_readme=False))
            blocks += [Details(*entry) for entry in details.items()]

        path = self.directory / "index.html"
        document.write(
            document.Document(title, blocks, subtitle, facts or {}),
            html=path,
            markdown=self.directory / "README.md",
        )
        return path

    def _remarks_of(self, rows, columns, about):
        """{name or first cell: remark} of a table, see `table`."""
        if about is None or not rows:
            return self._remarks
        if isinstance(about, dict):
            remarks = dict(self._remarks)
            names_of_cell = about
        else:
            remarks = {}
            first_column = tables.columns_of(rows, columns)[0]
            cells = [tables.cell(row.get(first_column)) for row in rows]
            names_of_cell = dict.fromkeys(cells, about)
        for cell, names in names_of_cell.items():
            texts = [f"{n} {self._remarks[n]}" for n in names if n in self._remarks]
            if texts:
                remarks[cell] = "; ".join(texts)
        return remarks

    def _store(self, file, content):
        """Write a file of the report and return its path below the directory.

        A name that comes from data, such as a source's, makes no folders.
        """
        folder, name = file.split("/", 1)
        name = re.sub(r"[/\\\x00-\x1f]", "_", name)
        file = f"{folder}/{name}"
        if file in self._files:
            raise ValueError(f"two parts of the report are both called {file}")
        self._files.add(file)
        with replacing(self.directory / file) as partial:
            partial.write_bytes(content)
        return file
