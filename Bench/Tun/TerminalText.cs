using System.Text;

namespace FastExit.Bench.Tun;

/// <summary>A stranger's text that ends on a terminal: bounded, without control characters.</summary>
internal static class TerminalText
{
    private const int MaximumBytes = 300;

    public static string From(ReadOnlySpan<byte> text) => string.Create(
        Encoding.UTF8.GetCharCount(text[..Math.Min(text.Length, MaximumBytes)]),
        text[..Math.Min(text.Length, MaximumBytes)],
        static (characters, source) =>
        {
            Encoding.UTF8.GetChars(source, characters);
            for (int i = 0; i < characters.Length; i++)
            {
                if (char.IsControl(characters[i]))
                    characters[i] = '?';
            }
        });
}
