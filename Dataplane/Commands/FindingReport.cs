using Spectre.Console;

namespace FastExit.Commands;

/// <summary>Findings for a person: a table on a terminal, a line each elsewhere.</summary>
internal static class FindingReport
{
    public static void Print(IReadOnlyList<Finding> findings)
    {
        if (Console.IsOutputRedirected)
        {
            foreach (var finding in findings)
                Console.WriteLine($"{Word(finding.Level),-4} {finding.Subject}: {finding.Seen}{(finding.Mend.Length == 0 ? "" : $"; mend: {finding.Mend}")}");
            return;
        }

        var table = new Table().Border(TableBorder.Rounded).AddColumns("", "what", "seen", "mend");
        foreach (var finding in findings)
        {
            var colour = finding.Level switch
            {
                FindingLevel.Ok => "green",
                FindingLevel.Warn => "yellow",
                _ => "red",
            };
            table.AddRow($"[{colour}]{Word(finding.Level)}[/]", finding.Subject.EscapeMarkup(), finding.Seen.EscapeMarkup(), finding.Mend.EscapeMarkup());
        }

        AnsiConsole.Write(table);
    }

    public static string Word(FindingLevel level) => level switch
    {
        FindingLevel.Ok => "ok",
        FindingLevel.Warn => "warn",
        _ => "FAIL",
    };
}
