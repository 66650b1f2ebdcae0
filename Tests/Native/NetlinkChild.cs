using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;
using System.Net;
using System.Runtime.CompilerServices;
using FastExit.Native.Netlink;

namespace FastExit.Tests.Native;

/// <summary>
/// This assembly run as a program of its own, for tests that must kill the process which holds something: with the
/// variable set it installs a table, says so and waits for its end.
/// </summary>
internal static class NetlinkChild
{
    private const string Variable = "FASTEXIT_TEST_TABLE";

    /// <summary>Starts it inside a namespace; returns once the table is there.</summary>
    public static Process Start(NetworkNamespace space, string table)
    {
        string assembly = typeof(NetlinkChild).Assembly.Location;
        string host = Environment.ProcessPath is { } path && Path.GetFileName(path) == "dotnet" ? path : "dotnet";
        var start = new ProcessStartInfo(host, ["exec", assembly]) { RedirectStandardOutput = true };
        start.Environment[Variable] = table;
        Process process = space.Run(() => Process.Start(start)!);
        string? line = process.StandardOutput.ReadLine();
        return line == table ? process : throw new InvalidOperationException($"the child said: {line}");
    }

    [ModuleInitializer]
    [SuppressMessage("Usage", "CA2255", Justification = "A test assembly has no Main of its own to say this in")]
    internal static void RunWhenAsked()
    {
        if (Environment.GetEnvironmentVariable(Variable) is not { } table)
            return;
        using NetfilterTable installed = NetfilterTable.Install(new NetfilterOptions
        {
            Name = table,
            Device = "tun9",
            PoolIPv4 = IPNetwork.Parse("10.0.0.0/16"),
        });
        Console.WriteLine(table);
        Thread.Sleep(Timeout.Infinite);
    }
}
