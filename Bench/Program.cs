using System.CommandLine;
using FastExit.Bench.Figures;
using FastExit.Bench.Lab;
using FastExit.Bench.Lab.Parts;
using FastExit.Bench.Link;
using FastExit.Bench.Micro;
using FastExit.Bench.Socks;
using FastExit.Bench.Tun;
using FastExit.Bench.Tunnel;
using FastExit.Bench.TunPath;

var root = new RootCommand("Measures and demonstrates FastExit on one machine")
{
    FiguresCommand.Create(),
    LabCommand.Create(),
    LinkCommand.Create(),
    MicroCommand.Create(),
    SocksCommand.Create(),
    TunCommand.Create(),
    TunnelCommand.Create(),
    TunPathCommand.Create(),
};
foreach (Command part in LabPartCommands.Create())
    root.Subcommands.Add(part);

// Ctrl+C and SIGTERM end a lab in order; the exit it started may take its time to tell its connections.
return await root.Parse(args)
    .InvokeAsync(new InvocationConfiguration { ProcessTerminationTimeout = TimeSpan.FromSeconds(30) })
    .ConfigureAwait(false);
