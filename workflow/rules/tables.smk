"""Tables: the losses of the selected models, the verdicts on the study's claims, and the use of the codes.

Needs:  the selection, the bounds of the selected models, results/gathered/{dataset}/
Makes:  results/tables/results.*     test losses of the selected models, as CSV, Markdown and LaTeX
        results/tables/claims.*      the study's claims with intervals and verdicts, as CSV and Markdown
        results/tables/verdicts.csv  the verdict on each claim as a whole
        results/tables/codes.*       what the selected models learned, as CSV and Markdown
Steps:  tabulate, judge, describe
"""


rule tabulate:
    input:
        summaries=rules.select.input.summaries,
        selection=rules.select.output.selection,
        provenance=rules.select.input.provenance,
        bounds=cells.grid_files(config["grid"], cells.BOUNDS_FILE),
        per_image=cells.grid_files(config["grid"], cells.BOUNDS_PER_IMAGE_FILE),
        published=[config["published"]] if config["published"] else [],
    output:
        csv=report(
            "results/tables/results.csv",
            caption="../report/results.rst",
            category="Tables",
            labels={"table": "test loss"},
        ),
        markdown="results/tables/results.md",
        latex="results/tables/results.tex",
    log:
        "logs/tabulate.log",
    benchmark:
        "results/benchmarks/tabulate.tsv"
    localrule: True
    conda:
        "../../envs/figures.yaml"
    script:
        "../scripts/tabulate.py"


rule judge:
    input:
        summaries=rules.select.input.summaries,
        selection=rules.select.output.selection,
        provenance=rules.select.input.provenance,
        bounds=rules.tabulate.input.bounds,
        per_image=rules.tabulate.input.per_image,
        histories=expand(
            "results/gathered/{dataset}/histories.csv.gz",
            dataset=config["grid"]["dataset"],
        ),
    output:
        csv=report(
            "results/tables/claims.csv",
            caption="../report/claims.rst",
            category="Claims",
            labels={"table": "comparisons"},
        ),
        verdicts=report(
            "results/tables/verdicts.csv",
            caption="../report/claims.rst",
            category="Claims",
            labels={"table": "verdicts"},
        ),
        markdown="results/tables/claims.md",
    log:
        "logs/judge.log",
    benchmark:
        "results/benchmarks/judge.tsv"
    localrule: True
    conda:
        "../../envs/figures.yaml"
    params:
        temperature=config["figures"]["convergence_temperature"],
    script:
        "../scripts/judge.py"


rule describe:
    input:
        provenance=rules.select.input.provenance,
        bounds=rules.tabulate.input.bounds,
    output:
        csv=report(
            "results/tables/codes.csv",
            caption="../report/codes.rst",
            category="What the models learned",
            labels={"table": "use of the codes"},
        ),
        markdown="results/tables/codes.md",
    log:
        "logs/describe.log",
    benchmark:
        "results/benchmarks/describe.tsv"
    localrule: True
    conda:
        "../../envs/figures.yaml"
    script:
        "../scripts/describe.py"


rule tables:
    input:
        rules.select.output,
        rules.tabulate.output,
        rules.judge.output,
        rules.describe.output,
        rules.fitting.input.table if config["fitting"]["enabled"] else [],
        rules.ledger.output,
