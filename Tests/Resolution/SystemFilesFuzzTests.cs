using FastExit.Resolution;
using Xunit;

namespace FastExit.Tests.Resolution;

/// <summary>resolv.conf and hosts are the host's, but a damaged line must cost that line alone.</summary>
public sealed class SystemFilesFuzzTests
{
    private const int Lines = 1_000_000;
    private const int LinesPerFile = 50;

    private static readonly string[] s_pieces =
    [
        "nameserver", "search", "options", "127.0.0.1", "9.9.9.9", "::1", "fe80::1%eth0", "[::1]", "256.1.1.1", "1.2.3", "2001:db8::g",
        "localhost", "a.example", "A.EXAMPLE.", "#", ";", "\t", "  ", "", "é", "\0", ":53", "0x7f.1", "nameserver nameserver", "ndots:5",
    ];

    [Fact]
    public void ResolvConfKeepsTheLinesThatAreRight()
    {
        var random = new Random(1);
        for (int done = 0; done < Lines; done += LinesPerFile)
        {
            List<string> lines = File(random);
            lines.Insert(random.Next(lines.Count), "nameserver 192.0.2.53");
            Assert.Contains(ResolvConf.Parse(lines), server => server.Address.ToString() == "192.0.2.53" && server.Port == 53);
        }
    }

    [Fact]
    public void HostsKeepsTheLinesThatAreRight()
    {
        var random = new Random(2);
        for (int done = 0; done < Lines; done += LinesPerFile)
        {
            List<string> lines = File(random);
            lines.Insert(random.Next(lines.Count), "192.0.2.80 kept.example");
            Assert.True(HostsFile.Parse(lines).ContainsKey("kept.example"));
        }
    }

    private static List<string> File(Random random)
    {
        var lines = new List<string>(LinesPerFile + 1);
        for (int i = 0; i < LinesPerFile; i++)
        {
            string line = "";
            for (int piece = random.Next(1, 5); piece > 0; piece--)
                line += s_pieces[random.Next(s_pieces.Length)] + (random.Next(3) == 0 ? "" : " ");
            lines.Add(line);
        }

        return lines;
    }
}
