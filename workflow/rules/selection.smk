"""Selection: from the runs of a group to the temperature of each noise law.

Needs:  history.csv and summary.json of every cell of the group
Makes:  <results>/groups/{dataset}/K{K}/seed{seed}/
            summaries.csv     a row for each cell
            histories.csv.gz  a row for each cell and epoch
            selection.csv     the temperature selected for each noise law, on the validation set
Steps:  select_temperatures
"""


rule select_temperatures:
    """Gather the runs of a group and select the temperature of each noise law."""
    input:
        summaries=lambda wildcards: [
            f"<results>/{cell.directory}/summary.json"
            for cell in cells_of_group(**wildcards)
        ],
        histories=lambda wildcards: [
            f"<results>/{cell.directory}/history.csv"
            for cell in cells_of_group(**wildcards)
        ],
    output:
        summaries="<results>/groups/{dataset}/K{K}/seed{seed}/summaries.csv",
        histories="<results>/groups/{dataset}/K{K}/seed{seed}/histories.csv.gz",
        selection="<results>/groups/{dataset}/K{K}/seed{seed}/selection.csv",
    log:
        "<logs>/select_temperatures/{dataset}/K{K}/seed{seed}.log",
    benchmark:
        "<benchmarks>/select_temperatures/{dataset}/K{K}/seed{seed}.tsv"
    wildcard_constraints:
        dataset=unless_finished(map(str, found_groups.whole), "dataset"),
    localrule: True
    conda:
        "../../envs/figures.yaml"
    script:
        "../scripts/select_temperatures.py"
