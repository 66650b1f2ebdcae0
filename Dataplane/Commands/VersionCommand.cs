using System.CommandLine;
using System.Runtime.InteropServices;

namespace FastExit.Commands;

/// <summary>`fastexit version`.</summary>
internal static class VersionCommand
{
    public static Command Create()
    {
        var command = new Command("version", "Prints the version");
        command.SetAction(_ =>
        {
            Console.WriteLine($"fastexit {ProgramVersion.Text} ({RuntimeInformation.FrameworkDescription}, {RuntimeInformation.RuntimeIdentifier})");
            return CommandLine.Done;
        });
        return command;
    }
}
